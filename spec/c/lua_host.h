/* lua_host.h - a host program that has the module built in. */
#ifndef LUA_HOST_H
#define LUA_HOST_H

#include "harness.h"

#include "lauxlib.h"
#include "lua.h"
#include "lualib.h"
#include "rthandle.h"

int luaopen_rthandle_core(lua_State *L);

static inline lua_State *open_host(lua_State *L) {
  luaL_openlibs(L);
  luaL_requiref(L, "rthandle.core", luaopen_rthandle_core, 0);
  lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_pushvalue(L, -2);
  lua_setfield(L, -2, "rthandle");
  lua_settop(L, 0);
  return L;
}

static inline void run(lua_State *L, const char *code) {
  if (luaL_dostring(L, code) != LUA_OK) {
    fprintf(stderr, "%s\n", lua_tostring(L, -1));
    exit(1);
  }
  lua_settop(L, 0);
}

#endif
