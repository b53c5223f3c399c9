/* move.h - values that travel between Lua states: the contract between the
** encoder (move.c and its neighbours) and the userdata of this module.
**
** A message is flat bytes plus the core objects that travel with it.  It
** belongs to no Lua state and may be freed on any thread.  Its first member is
** an rth_msg_t (see rthandle_sync.h): it is what a channel carries.
** Encoding is in two steps: first everything is checked and written, then the
** objects that move are taken out of their userdata; so a refusal changes
** nothing.
*/
#ifndef RTHL_MOVE_H
#define RTHL_MOVE_H

#include "lua.h"
#include "rthandle_sync.h"

typedef struct rthL_Message rthL_Message;

/* How one userdata type of this module travels.  Registered in its metatable
** with rthL_set_move_ops. */
typedef struct rthL_MoveOps {
  /* NULL: may travel.  Else why not, after "cannot move argument #1: "
  ** ("JoinHandle already awaited").  No side effect, may not raise. */
  const char *(*check)(lua_State *L, int idx);
  /* The core object: a new reference (shared types), or the userdata's own,
  ** which is empty from now on (moved types).  May not fail or raise.
  ** Called once for each distinct userdata of a message. */
  void *(*take)(lua_State *L, int idx);
  /* Pushes a userdata that owns `object`.  Where it raises (memory), the
  ** object still belongs to the message. */
  void (*push)(lua_State *L, void *object);
  /* Releases an object that never arrived.  Thread: any. */
  void (*drop)(void *object);
  /* One reference more: of types that are shared or copied.  NULL: only one
  ** can have it.  May not fail.  Thread: any. */
  void (*keep)(void *object);
} rthL_MoveOps;

/* Metatable on the top of the stack.  ops == NULL is not allowed: a type
** without ops is refused by its name.  `ops` must be static. */
void rthL_set_move_ops(lua_State *L, const rthL_MoveOps *ops);

enum {
  RTHL_COPY_CAPTURES = 1, /* spawn_with{captures="copy"}: no refusals 1, 2 */
  RTHL_HOOK = 2,          /* on_thread_start/stop: no refusals 3, 4; a C
                             function travels as it is */
  RTHL_MANY = 4           /* decoded any number of times, by several threads at
                             once: what only one can have is refused */
};

/* Encodes the function at absolute index `f` and the `nargs` values right
** after it.  Raises (at the caller's line) what section 5 of the contract
** refuses.  Own.  Leaves the stack as it was.  A small message comes from
** `blocks`, the cache of this Lua state, here and below; NULL: from malloc. */
rthL_Message *rthL_encode_call(lua_State *L, int f, int nargs, unsigned flags,
                               rth_blocks_t *blocks);

/* Encodes `n` values from absolute index `first`.  `what` names them in
** refusals: "result", "argument", "value" -> `cannot move result #2: …`;
** raises a string without position where `what` is "result". */
rthL_Message *rthL_encode_values(lua_State *L, int first, int n,
                                 const char *what, rth_blocks_t *blocks);

/* Encodes the "value" at absolute index `idx`. */
rthL_Message *rthL_encode_value(lua_State *L, int idx, unsigned flags,
                                rth_blocks_t *blocks);

/* Encodes one error value; one that may not travel goes as its tostring. */
rthL_Message *rthL_encode_error(lua_State *L, int idx);

/* Pushes the values (function first, for a call); answers how many.  Raises
** on lack of memory and where a module cannot be required here, with that
** message.  Once for each message, but for RTHL_MANY: objects leave it.  The
** caller frees the message afterwards. */
int rthL_decode(lua_State *L, rthL_Message *m);

/* Whether no object travels with it: then it may be decoded any number of
** times, by several threads at once. */
int rthL_message_plain(const rthL_Message *m);

/* Whether decoding may run code that is not ours (a module that is required),
** and so raise for other reasons than lack of memory. */
int rthL_message_wild(const rthL_Message *m);

size_t rthL_message_size(const rthL_Message *m);
void rthL_message_free(rthL_Message *m); /* Thread: any.  NULL is allowed */
/* The same on the thread of a Lua state whose cache of blocks this is. */
void rthL_message_recycle(rthL_Message *m, rth_blocks_t *blocks);

/* Once for each Lua state, before the calls above: makes the caches.  Own
** states are the runtime's; in them `_G` stands for itself.  Raises. */
void rthL_move_open(lua_State *L);

/* Optional; in a runtime's own state, after its start hook: the globals that
** are there now are in every thread of the runtime, and a task of this state
** that spawns a function which reads them is not refused.  Raises. */
void rthL_move_seal(lua_State *L);

#endif
