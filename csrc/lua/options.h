/* options.h - the options of Runtime.new. */
#ifndef RTHL_OPTIONS_H
#define RTHL_OPTIONS_H

#include "lua/thread.h"

/* Reads the table (or nil) at idx into *o, the thread's hooks included.
** Strings stay the table's.  *shared: what the hooks share; the caller's to
** free, also where this raises: on a bad option. */
void rthL_options(lua_State *L, int idx, rth_options_t *o,
                  rthL_Shared **shared);

#endif
