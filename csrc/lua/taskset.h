/* taskset.h - tasks of one owner, and their ends in the order in which they
** came: the common part of JoinSet and scope.
**
** The owner is a userdata with an rthL_Set in it, and two user values more
** than it says: 1 holds the JoinHandles by id, 2 their watches.  It is at
** index 1 of the stack wherever `L` is asked for.
*/
#ifndef RTHL_TASKSET_H
#define RTHL_TASKSET_H

#include "lua/handle.h"
#include "lua/join.h"
#include "lua/sync.h"

typedef struct rthL_Set {
  rthL_Box box;  /* core: the channel; NULL: closed */
  lua_Integer n; /* tasks whose end was not taken out yet */
} rthL_Set;

/* Says that one task has ended. */
typedef struct rthL_Ended {
  rth_msg_t head;
  rth_counter_t refs;
  rth_counter_t wakes;
  rth_mpsc_t *done; /* a sender */
  rthL_Join *join;  /* good while the owner holds its JoinHandle */
  uint64_t id;
} rthL_Ended;

/* The owner, new, is on top of the stack.  Raises. */
void rthL_set_open(lua_State *L, rthL_Set *s);
/* Nothing holds a task any more, or they do not matter. */
void rthL_set_close(rthL_Set *s);
void rthL_set_free(void *core); /* its channel */

/* Spawns the function at index 2, of `kind`, or with the options at 2 if that
** is less than 0.  Pushes the JoinHandle.  Raises at the caller's line. */
int rthL_set_spawn(lua_State *L, rthL_Set *s, int kind);

/* Takes the end of a task out: pushes its JoinHandle, which the owner does not
** hold any more, and answers its id.  Consumes e.  The owner is at index
** `owner`.  Never raises; L has room for 4. */
uint64_t rthL_set_take(lua_State *L, rthL_Set *s, rthL_Ended *e, int owner);
static inline rthL_Ended *rthL_ended(rth_msg_t *m) {
  return (rthL_Ended *)(void *)m;
}

/* Aborts all tasks. */
void rthL_set_abort(lua_State *L, rthL_State *S);
/* No task's end will come any more: they are on their own. */
void rthL_set_leave(lua_State *L, rthL_State *S, rthL_Set *s);

#endif
