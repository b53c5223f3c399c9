/* enter.h - the runtimes that code has entered (Handle:enter), and the
** current one. */
#ifndef RTHL_ENTER_H
#define RTHL_ENTER_H

#include "lua/state.h"

/* Releases a whole stack of entered handles; their guards count as closed. */
void rthL_enter_clear(rthL_Enter **top);

/* The handle of the runtime that this code is in (borrowed); NULL: none. */
rth_handle_t *rthL_current(rthL_State *S);
/* The same, or raises. */
rth_handle_t *rthL_checkcurrent(lua_State *L, rthL_State *S);

/* Pushes the guard of h.  Raises. */
int rthL_enter(lua_State *L, rthL_State *S, rth_handle_t *h);

/* Makes h what the fiber, not started yet, is in.  Raises; the fiber is
** released then. */
void rthL_enter_under(lua_State *L, rthL_State *S, rthL_Fiber *f,
                      rth_handle_t *h);

void rthL_open_enter(lua_State *L, rthL_State *S);

#endif
