/* move_host.h - a host program with two Lua states, here and there, and
** functions for scripts that send values between them.  For the tests and
** the fuzzer of csrc/lua/move.h.
**
** In the state "here" scripts find
**   move(f, ...)           runs f there, as a spawned task would be; its
**                          results come back, an error is raised
**   move_with(flags, f, …) the same; "copy", "hook" among the flags
**   judge(f, ...)          only what a spawn would check
**   send(...)              values there and back again
**   there(code)            runs source code there
**   thing(kind)            userdata: "shared", "moved", "foreign", "runtime"
**   held(thing)            what it holds: nil once it was moved
**   things()               how many of their core objects live
**   size(...)              bytes of a message with these values
**   fail_after(n, what)    after n more, allocations fail: "plain" ones, or
**                          those of the "lua" state; nil: they work again
**   seal()                 rthL_move_seal of "there"
*/
#ifndef MOVE_HOST_H
#define MOVE_HOST_H

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lua/lalloc.h"
#include "lua/move.h"

static lua_State *here, *there;

/* ---- memory that is counted and can fail -------------------------------- */

static long host_live, host_fail = -1; /* -1: never */

void *rthL_realloc(void *old, size_t size) {
  void *p;
  if (size == 0) {
    if (old != NULL) host_live--;
    free(old);
    return NULL;
  }
  if (host_fail == 0) return NULL;
  if (host_fail > 0) host_fail--;
  p = realloc(old, size);
  if (p != NULL && old == NULL) host_live++;
  return p;
}

static long lua_fail = -1;

static void *lua_memory(void *ud, void *old, size_t had, size_t size) {
  (void)ud;
  if (size == 0) {
    free(old);
    return NULL;
  }
  if (old == NULL || size > had) {
    if (lua_fail == 0) return NULL;
    if (lua_fail > 0) lua_fail--;
  }
  return realloc(old, size);
}

static int host_fail_after(lua_State *L) {
  long n = (long)luaL_optinteger(L, 1, -1);
  if (strcmp(luaL_optstring(L, 2, "plain"), "lua") == 0)
    lua_fail = n;
  else
    host_fail = n;
  if (n == -1) host_fail = lua_fail = -1;
  return 0;
}

/* ---- userdata that travel ----------------------------------------------- */

typedef struct Thing {
  int refs;
} Thing;

static long host_things;

static Thing *thing_new(void) {
  Thing *t = (Thing *)malloc(sizeof *t);
  if (t == NULL) abort();
  t->refs = 1;
  host_things++;
  return t;
}

static void thing_drop(void *p) {
  Thing *t = (Thing *)p;
  if (--t->refs > 0) return;
  host_things--;
  free(t);
}

static Thing **thing_at(lua_State *L, int idx) {
  return (Thing **)lua_touserdata(L, idx);
}

static const char *moved_check(lua_State *L, int idx) {
  return *thing_at(L, idx) == NULL ? "Moved was moved" : NULL;
}

static void *moved_take(lua_State *L, int idx) {
  void *p = *thing_at(L, idx);
  *thing_at(L, idx) = NULL;
  return p;
}

static void *shared_take(lua_State *L, int idx) {
  (*thing_at(L, idx))->refs++;
  return *thing_at(L, idx);
}

static void thing_push(lua_State *L, void *object, const char *type) {
  Thing **t = (Thing **)lua_newuserdatauv(L, sizeof *t, 0);
  *t = NULL;
  luaL_setmetatable(L, type);
  *t = (Thing *)object;
}

static void shared_push(lua_State *L, void *o) {
  thing_push(L, o, "rthandle.Shared");
}

static void moved_push(lua_State *L, void *o) {
  thing_push(L, o, "rthandle.Moved");
}

static const rthL_MoveOps shared_ops = {NULL, shared_take, shared_push,
                                        thing_drop, NULL};
static const rthL_MoveOps moved_ops = {moved_check, moved_take, moved_push,
                                       thing_drop, NULL};

static int thing_gc(lua_State *L) {
  if (*thing_at(L, 1) != NULL) thing_drop(*thing_at(L, 1));
  *thing_at(L, 1) = NULL;
  return 0;
}

static void thing_type(lua_State *L, const char *name,
                       const rthL_MoveOps *ops) {
  luaL_newmetatable(L, name);
  lua_pushcfunction(L, thing_gc);
  lua_setfield(L, -2, "__gc");
  if (ops != NULL) rthL_set_move_ops(L, ops);
  lua_pop(L, 1);
}

static int host_thing(lua_State *L) {
  static const char *const kinds[] = {"shared", "moved", "foreign", "runtime",
                                      NULL};
  static const char *const types[] = {"rthandle.Shared", "rthandle.Moved",
                                      "LIB*", "rthandle.Runtime"};
  thing_push(L, thing_new(), types[luaL_checkoption(L, 1, NULL, kinds)]);
  return 1;
}

static int host_held(lua_State *L) {
  Thing **t = (Thing **)lua_touserdata(L, 1);
  lua_pushlightuserdata(L, *t);
  return *t != NULL;
}

static int host_count(lua_State *L) {
  lua_pushinteger(L, host_things);
  return 1;
}

/* ---- there and back ----------------------------------------------------- */

static int decode_message(lua_State *L) {
  rthL_Message *m = (rthL_Message *)lua_touserdata(L, 1);
  lua_settop(L, 0);
  return rthL_decode(L, m);
}

/* Protected: pushes the values, or an error; answers its status. */
static int receive(lua_State *L, rthL_Message *m) {
  int status;
  lua_pushcfunction(L, decode_message);
  lua_pushlightuserdata(L, m);
  status = lua_pcall(L, 1, LUA_MULTRET, 0);
  rthL_message_free(m);
  return status;
}

static int encode_results(lua_State *L) {
  rthL_Message **out = (rthL_Message **)lua_touserdata(L, 1);
  *out = rthL_encode_values(L, 2, lua_gettop(L) - 1, "result", NULL);
  return 0;
}

static int encode_failure(lua_State *L) {
  rthL_Message **out = (rthL_Message **)lua_touserdata(L, 1);
  *out = rthL_encode_error(L, 2);
  return 0;
}

/* Encodes what is above `base` in `there`; *status tells whether that is the
** results or an error, also on return: a result may not be moved. */
static rthL_Message *encode_there(int base, int *status) {
  rthL_Message *m = NULL;
  lua_CFunction f = *status == LUA_OK ? encode_results : encode_failure;
  int n = lua_gettop(there) - base;
  luaL_checkstack(there, 4, NULL);
  lua_pushcfunction(there, f);
  lua_insert(there, base + 1);
  lua_pushlightuserdata(there, (void *)&m);
  lua_insert(there, base + 2);
  if (lua_pcall(there, n + 1, 0, 0) == LUA_OK) return m;
  host_fail = lua_fail = -1;
  *status = LUA_ERRRUN;
  lua_pushcfunction(there, encode_failure);
  lua_insert(there, base + 1);
  lua_pushlightuserdata(there, (void *)&m);
  lua_insert(there, base + 2);
  if (lua_pcall(there, 2, 0, 0) != LUA_OK) abort();
  return m;
}

/* Runs the message there; its results, or its error, come back here. */
static int run_there(lua_State *L, rthL_Message *m, int call) {
  int base = lua_gettop(there), status = receive(there, m);
  if (status == LUA_OK && call)
    status = lua_pcall(there, lua_gettop(there) - base - 1, LUA_MULTRET, 0);
  m = encode_there(base, &status);
  lua_settop(there, base);
  base = lua_gettop(L);
  if (receive(L, m) != LUA_OK || status != LUA_OK) return lua_error(L);
  return lua_gettop(L) - base;
}

static int host_move(lua_State *L) {
  return run_there(L, rthL_encode_call(L, 1, lua_gettop(L) - 1, 0, NULL), 1);
}

static int host_move_with(lua_State *L) {
  const char *s = luaL_checkstring(L, 1);
  unsigned flags = (strstr(s, "copy") ? RTHL_COPY_CAPTURES : 0u) |
                   (strstr(s, "hook") ? RTHL_HOOK : 0u);
  int n = lua_gettop(L) - 2;
  return run_there(L, rthL_encode_call(L, 2, n, flags, NULL), 1);
}

static int host_judge(lua_State *L) {
  rthL_message_free(rthL_encode_call(L, 1, lua_gettop(L) - 1, 0, NULL));
  return 0;
}

static int host_send(lua_State *L) {
  int n = lua_gettop(L);
  return run_there(L, rthL_encode_values(L, 1, n, "value", NULL), 0);
}

static int host_size(lua_State *L) {
  rthL_Message *m = rthL_encode_values(L, 1, lua_gettop(L), "value", NULL);
  size_t n = rthL_message_size(m);
  rthL_message_free(m);
  lua_pushinteger(L, (lua_Integer)n);
  return 1;
}

static int host_there(lua_State *L) {
  if (luaL_dostring(there, luaL_checkstring(L, 1)) != LUA_OK) {
    lua_pushstring(L, lua_tostring(there, -1));
    lua_settop(there, 0);
    return lua_error(L);
  }
  lua_settop(there, 0);
  return 0;
}

static int host_seal(lua_State *L) {
  (void)L;
  rthL_move_seal(there);
  return 0;
}

/* ---- states ------------------------------------------------------------- */

static lua_State *host_state(void) {
  lua_State *L = lua_newstate(lua_memory, NULL);
  if (L == NULL) abort();
  luaL_openlibs(L);
  rthL_move_open(L);
  thing_type(L, "rthandle.Shared", &shared_ops);
  thing_type(L, "rthandle.Moved", &moved_ops);
  thing_type(L, "rthandle.Runtime", NULL);
  thing_type(L, "LIB*", NULL);
  return L;
}

static void host_open(void) {
  static const luaL_Reg functions[] = {
    {"move", host_move}, {"move_with", host_move_with},
    {"judge", host_judge}, {"send", host_send},
    {"there", host_there}, {"thing", host_thing}, {"held", host_held},
    {"things", host_count}, {"size", host_size}, {"seal", host_seal},
    {"fail_after", host_fail_after}, {NULL, NULL}
  };
  here = host_state();
  there = host_state();
  lua_pushglobaltable(here);
  luaL_setfuncs(here, functions, 0);
  lua_pop(here, 1);
}

static void host_close(void) {
  lua_close(here);
  lua_close(there);
}

#endif
