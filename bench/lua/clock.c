/* clock.c - what plain Lua lacks for measuring: a monotonic clock (os.clock
** adds up the time of all threads). */
#include <lauxlib.h>
#include <lua.h>
#include <time.h>

static int now(lua_State *L) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  lua_pushnumber(L, (lua_Number)t.tv_sec + (lua_Number)t.tv_nsec * 1e-9);
  return 1;
}

int luaopen_clock(lua_State *L);
int luaopen_clock(lua_State *L) {
  lua_pushcfunction(L, now);
  return 1;
}
