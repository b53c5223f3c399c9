/* stream.h - a connected TCP or Unix socket. */
#ifndef RTH_STREAM_H
#define RTH_STREAM_H

#include "io/buffer.h"
#include "io/source.h"

struct rth_stream {
  rth__source_t io;
  rth__buffer_t in;
  size_t chunk;   /* how much the next read asks for */
  size_t taken;   /* by the last read: see rth_stream_unread */
  size_t scanned; /* of what is in the buffer: has no delimiter, seen before */
  int end;        /* what reads answer once the buffer is empty; 0: open */
};

/* Takes the descriptor (prepared), on success only.  Fails: RTH_ENOMEM. */
int rth__stream_new(rth_handle_t *h, int fd, rth_stream_t **out);

#endif
