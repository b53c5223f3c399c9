/* lookup - names to addresses, by the system's resolver.
**
** WHY      getaddrinfo blocks, for minutes if a server does not answer, and
**          cannot be interrupted.  So each question has a thread of its own,
**          detached: whoever gives up just leaves it behind, and neither the
**          end of a runtime nor exit waits for it.  libuv's pool would let
**          four hung questions block every other one, and exit.
** THREADS  the poll's; the thread of the question.
** OWNS     a lookup has two references, the asker's and the thread's; the
**          thread holds nothing of the runtime, but the waker while it is
**          registered.
** SYNC
**   [L1] state   the thread: swap-ar ANSWERED -> asker: load-acq (the answer);
**                asker: cas-ar WAITING -> the thread: swap-ar (the waker).
**   [L2] refs    unref: sub-ar -> free.
*/
#include <errno.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>

#include "base/atomic.h"
#include "base/mem.h"
#include "base/thread.h"
#include "io/addr.h"

enum { ASKED, WAITING, ANSWERED };

struct rth_lookup {
  RTH_ATOMIC(int) state; /* [L1] */
  RTH_ATOMIC(int) refs;  /* [L2] */
  rth_waker_t waker;     /* [L1]: the asker's, but in WAITING the thread's */
  rth_addr_t *list;      /* [L1] */
  size_t n;              /* [L1] */
  int error;             /* [L1] */
  unsigned port;
  char host[RTH_HOST_MAX];
};

static void unref(rth_lookup_t *l) {
  if (rth__sub_ar(&l->refs, 1) != 1) return; /* [L2] */
  rth_waker_drop(&l->waker);
  rth__free(l->list);
  rth__free(l);
}

/* ---- the thread --------------------------------------------------------- */

/* The numbers that libuv has names for. */
static int translate(int eai) {
  switch (eai) {
    case EAI_AGAIN:
      return UV_EAI_AGAIN;
    case EAI_FAIL:
      return UV_EAI_FAIL;
    case EAI_FAMILY:
      return UV_EAI_FAMILY;
    case EAI_MEMORY:
      return RTH_ENOMEM;
#if defined(EAI_NODATA)
    case EAI_NODATA:
      return UV_EAI_NODATA;
#endif
    case EAI_SYSTEM:
      return errno != 0 ? -errno : UV_EAI_FAIL;
    default:
      return UV_EAI_NONAME;
  }
}

static int copy_list(rth_lookup_t *l, const struct addrinfo *found) {
  const struct addrinfo *a;
  size_t n = 0;
  for (a = found; a != NULL; a = a->ai_next) n++;
  l->list = rth__array(n > 0 ? n : 1, sizeof *l->list);
  if (l->list == NULL) return RTH_ENOMEM;
  for (a = found; a != NULL; a = a->ai_next) {
    rth_addr_t *to = &l->list[l->n];
    if (a->ai_family != AF_INET && a->ai_family != AF_INET6) continue;
    to->size = (uint32_t)a->ai_addrlen;
    memcpy(to->u.bytes, a->ai_addr, a->ai_addrlen);
    l->n++;
  }
  return l->n > 0 ? 0 : UV_EAI_NONAME;
}

static void ask(rth_lookup_t *l) {
  struct addrinfo hints = {0}, *found = NULL;
  char port[8];
  int eai;
  hints.ai_socktype = SOCK_STREAM; /* each address once */
  (void)snprintf(port, sizeof port, "%u", l->port);
  eai = getaddrinfo(l->host, port, &hints, &found);
  l->error = eai != 0 ? translate(eai) : copy_list(l, found);
  if (found != NULL) freeaddrinfo(found);
}

static void lookup_main(void *lookup) {
  rth_lookup_t *l = lookup;
  ask(l);
  if (rth__swap_ar(&l->state, ANSWERED) == WAITING) /* [L1] */
    rth_wake(&l->waker);
  unref(l);
}

/* ---- the asker ---------------------------------------------------------- */

static int start(rth_lookup_t *l) {
  rth__thread_t t;
  int err;
  rth__init(&l->refs, 2);
  err = rth__thread_start(&t, 0, "rthandle-lookup", lookup_main, l);
  if (err == 0)
    rth__thread_detach(t);
  else
    rth__init(&l->refs, 1);
  return err;
}

int rth_lookup_new(rth_handle_t *h, const char *text, rth_lookup_t **out) {
  rth_lookup_t *l;
  int err;
  if (rth_handle_is_shutdown(h)) return RTH_ESHUTDOWN;
  l = rth__zalloc(sizeof *l);
  if (l == NULL) return RTH_ENOMEM;
  rth__init(&l->refs, 1);
  rth__init(&l->state, ASKED);
  err = rth__addr_split(text, l->host, sizeof l->host, &l->port);
  if (err == 0 && (l->list = rth__array(1, sizeof *l->list)) == NULL)
    err = RTH_ENOMEM;
  if (err == 0 && rth__addr_numeric(l->list, l->host, l->port) == 0) {
    l->n = 1;
    rth__init(&l->state, ANSWERED);
  } else if (err == 0) {
    rth__free(l->list);
    l->list = NULL;
    err = start(l);
  }
  if (err != 0)
    unref(l);
  else
    *out = l;
  return err;
}

/* Takes the waker back.  0: the answer has come. */
static int take_back(rth_lookup_t *l) {
  int state = WAITING;
  return rth__load_acq(&l->state) == ASKED || /* [L1] */
         rth__cas_ar(&l->state, &state, ASKED); /* [L1] */
}

int rth_lookup_poll(rth_lookup_t *l, rth_cx_t *cx, const rth_addr_t **list,
                    size_t *n) {
  int state = ASKED;
  if (rth_handle_is_shutdown(cx->handle)) return RTH_ESHUTDOWN;
  if (take_back(l)) {
    rth_waker_drop(&l->waker);
    l->waker = rth_waker_clone(&cx->waker);
    if (rth__cas_ar(&l->state, &state, WAITING)) return RTH_PENDING; /* [L1] */
    rth_waker_drop(&l->waker);
  }
  if (l->error != 0) return l->error;
  *list = l->list;
  *n = l->n;
  return RTH_READY;
}

void rth_lookup_free(rth_lookup_t *l) {
  if (l == NULL) return;
  if (take_back(l)) rth_waker_drop(&l->waker);
  unref(l);
}
