/* task.h - tasks that are moved: spawn and spawn_blocking. */
#ifndef RTHL_TASK_H
#define RTHL_TASK_H

#include "lua/join.h"

/* Moves the function at index f and what follows onto h's runtime; pushes the
** JoinHandle.  `flags`: of rthL_encode_call. */
int rthL_spawn(lua_State *L, rthL_State *S, rth_handle_t *h, int f,
               rthL_Tags tags, unsigned flags);
int rthL_spawn_blocking(lua_State *L, rthL_State *S, rth_handle_t *h, int f,
                        rthL_Tags tags, unsigned flags);

#endif
