/* addr - socket addresses as text and back.  THREADS any; no state. */
#include <stddef.h>
#include <string.h>
#include <sys/un.h>

#include "base/compiler.h"
#include "io/addr.h"
#include "io/socket.h"

int rth__addr_split(const char *text, char *host, size_t size,
                    unsigned *port) {
  const char *colon = strrchr(text, ':'), *p;
  size_t n = colon != NULL ? (size_t)(colon - text) : 0;
  if (n > 1 && text[0] == '[' && text[n - 1] == ']') {
    text++;
    n -= 2;
  } else if (n > 0 && memchr(text, ':', n) != NULL) {
    return RTH_EINVAL; /* an IPv6 address without brackets */
  }
  if (n == 0 || n >= size) return RTH_EINVAL;
  memcpy(host, text, n);
  host[n] = '\0';
  *port = 0;
  for (p = colon + 1; *p >= '0' && *p <= '9' && *port <= 0xffff; p++)
    *port = *port * 10 + (unsigned)(*p - '0');
  return p == colon + 1 || *p != '\0' || *port > 0xffff ? RTH_EINVAL : 0;
}

int rth__addr_numeric(rth_addr_t *a, const char *host, unsigned port) {
  void *at = a->u.bytes;
  memset(a, 0, sizeof *a);
  if (uv_ip4_addr(host, (int)port, at) == 0) {
    a->size = sizeof(struct sockaddr_in);
    return 0;
  }
  if (strchr(host, ':') == NULL || uv_ip6_addr(host, (int)port, at) != 0)
    return RTH_EINVAL;
  a->size = sizeof(struct sockaddr_in6);
  return 0;
}

int rth_addr_parse(rth_addr_t *a, const char *text) {
  char host[RTH_HOST_MAX];
  unsigned port;
  int err = rth__addr_split(text, host, sizeof host, &port);
  return err != 0 ? err : rth__addr_numeric(a, host, port);
}

int rth_addr_unix(rth_addr_t *a, const char *path, size_t n) {
  struct sockaddr_un *un = (struct sockaddr_un *)(void *)a->u.bytes;
  memset(a, 0, sizeof *a);
  if (n == 0 || n >= sizeof un->sun_path) return RTH_EINVAL;
  un->sun_family = AF_UNIX;
  memcpy(un->sun_path, path, n);
  a->size = (uint32_t)(offsetof(struct sockaddr_un, sun_path) + n + 1);
  if (path[0] == '\0') a->size--; /* Linux: a name that is no file */
  return 0;
}

static void format_unix(const rth_addr_t *a, char *text) {
  const struct sockaddr_un *un = (const void *)a->u.bytes;
  size_t head = offsetof(struct sockaddr_un, sun_path);
  size_t n = a->size > head ? a->size - head : 0;
  char *path = text;
  if (n > sizeof un->sun_path) n = sizeof un->sun_path;
  if (n > 0 && un->sun_path[0] == '\0') *path++ = '@';
  if (path != text)
    memcpy(path, un->sun_path + 1, --n);
  else
    memcpy(path, un->sun_path, n = strnlen(un->sun_path, n));
  path[n] = '\0';
}

char *rth_addr_format(const rth_addr_t *a, char text[RTH_ADDR_TEXT]) {
  const void *at = a->u.bytes;
  char name[96] = "";
  text[0] = '\0';
  if (a->size < sizeof(sa_family_t)) return text;
  if (rth__addr_family(a) == AF_INET) {
    const struct sockaddr_in *in = at;
    (void)uv_ip4_name(in, name, sizeof name);
    (void)snprintf(text, RTH_ADDR_TEXT, "%s:%u", name, ntohs(in->sin_port));
  } else if (rth__addr_family(a) == AF_INET6) {
    const struct sockaddr_in6 *in = at;
    char scope[16] = "";
    (void)uv_ip6_name(in, name, sizeof name);
    if (in->sin6_scope_id != 0)
      (void)snprintf(scope, sizeof scope, "%%%u", in->sin6_scope_id);
    (void)snprintf(text, RTH_ADDR_TEXT, "[%s%s]:%u", name, scope,
                   ntohs(in->sin6_port));
  } else if (rth__addr_family(a) == AF_UNIX) {
    format_unix(a, text);
  }
  return text;
}
