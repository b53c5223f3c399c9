/* buffer - what a socket has read and nobody has taken yet.
**
** WHY      most connections of a server are idle: memory is there only while
**          there is something in it or on its way.  One spare block a loop
**          makes that cheap for connections that are read in turn.
** THREADS  the user of the socket.
*/
#include "io/buffer.h"

#include <string.h>

#include "base/mem.h"

static char *get_block(size_t size, rth__loop_t *l) {
  char *mem;
  if (size != RTH_BUFFER_SIZE || l == NULL || l->spare == NULL)
    return rth__alloc(size);
  mem = l->spare;
  l->spare = NULL;
  return mem;
}

static void put_block(char *mem, size_t size, rth__loop_t *l) {
  if (size == RTH_BUFFER_SIZE && l != NULL && l->spare == NULL)
    l->spare = mem;
  else
    rth__free(mem);
}

int rth__buffer_reserve(rth__buffer_t *b, size_t room, rth__loop_t *l) {
  size_t len = rth__buffer_len(b), size = RTH_BUFFER_SIZE;
  char *mem;
  if (len == 0) b->from = b->to = 0;
  if (b->mem != NULL && b->size - b->to >= room) return 0;
  if (room > SIZE_MAX / 4 - len) return RTH_ENOMEM;
  if (b->mem != NULL && len + room <= b->size && b->from >= len) {
    memmove(b->mem, rth__buffer_at(b), len);
    b->from = 0;
    b->to = len;
    return 0;
  }
  while (size < len + room) size *= 2;
  mem = get_block(size, l);
  if (mem == NULL) return RTH_ENOMEM;
  if (len > 0) memcpy(mem, rth__buffer_at(b), len);
  if (b->mem != NULL) put_block(b->mem, b->size, l);
  b->mem = mem;
  b->size = size;
  b->from = 0;
  b->to = len;
  return 0;
}

rth_bytes_t rth__buffer_take(rth__buffer_t *b, size_t n) {
  rth_bytes_t out = {b->mem != NULL ? rth__buffer_at(b) : "", n};
  b->from += n;
  return out;
}

void rth__buffer_trim(rth__buffer_t *b, rth__loop_t *l) {
  if (b->mem == NULL || rth__buffer_len(b) > 0) return;
  put_block(b->mem, b->size, l);
  b->mem = NULL;
  b->size = b->from = b->to = 0;
}
