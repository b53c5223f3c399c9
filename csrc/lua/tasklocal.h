/* tasklocal.h - values that belong to a task: rt.task_local. */
#ifndef RTHL_TASKLOCAL_H
#define RTHL_TASKLOCAL_H

#include "lua/state.h"

/* The fiber of the list ends: what a coroutine that it left behind has bound
** is in no list any more. */
void rthL_bound_leave(rthL_Bound *list);

/* Sets task_local in the module table on top. */
void rthL_open_tasklocal(lua_State *L, rthL_State *S);

#endif
