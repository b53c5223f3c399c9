/* buffer.h - what a socket has read and nobody has taken yet. */
#ifndef RTH_BUFFER_H
#define RTH_BUFFER_H

#include "driver/loop.h"
#include "rthandle_io.h"

#define RTH_BUFFER_SIZE 8192u /* at first, and of a loop's spare */

typedef struct rth__buffer {
  char *mem; /* NULL: none */
  size_t size, from, to;
} rth__buffer_t;

static inline size_t rth__buffer_len(const rth__buffer_t *b) {
  return b->to - b->from;
}
static inline char *rth__buffer_at(const rth__buffer_t *b) {
  return b->mem + b->from;
}

/* Makes room for at least `room` (>= 1) bytes more.  `l`: may have a spare;
** NULL is allowed.  Fails: RTH_ENOMEM, and nothing has changed. */
int rth__buffer_reserve(rth__buffer_t *b, size_t room, rth__loop_t *l);
/* The first n bytes are taken; they stay where they are for now. */
rth_bytes_t rth__buffer_take(rth__buffer_t *b, size_t n);
/* Gives the memory back, if it is empty. */
void rth__buffer_trim(rth__buffer_t *b, rth__loop_t *l);

#endif
