/* thread.h - the Lua states of a runtime's own threads. */
#ifndef RTHL_THREAD_H
#define RTHL_THREAD_H

#include "lua/move.h"
#include "lua/state.h"

/* What a runtime keeps for its threads: rth_options.arg.  Made by the state
** that made the runtime; while there are threads, only the counters change. */
typedef struct rthL_Shared {
  rthL_Message *on_start, *on_stop; /* NULL: none */
  char *path, *cpath;               /* of the creator's package */
  int quiet;                        /* unhandled_panic = "ignore" */
  rth_counter_t blocking;           /* functions of spawn_blocking that run */
  unsigned nworkers;
  rth_counter_t memory[];           /* of each worker's Lua state, bytes */
} rthL_Shared;

/* Without hooks.  Raises. */
rthL_Shared *rthL_shared_new(lua_State *L, unsigned nworkers);
void rthL_shared_paths(lua_State *L, rthL_Shared *shared);
void rthL_shared_free(rthL_Shared *shared);
/* The last thread has ended: the hooks let go of the objects that they have. */
void rthL_shared_unhook(rthL_Shared *shared);

/* Fills in the hooks and arg. */
void rthL_thread_hooks(rth_options_t *o, rthL_Shared *shared);

int luaopen_rthandle_core(lua_State *L);

#endif
