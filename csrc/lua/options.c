/* options - Runtime.new's table, checked.
**
** WHY      one table of names with a reader for each: an option that is not in
**          it is refused, with the nearest name.  What belongs to no Lua state
**          (hooks, paths) is made last, when nothing can raise any more but
**          the hooks themselves.
** THREADS  the one that runs the Lua state.
** OWNS     nothing: the shared part is the Runtime's as soon as it is made.
*/
#include "lua/options.h"

#include <stdlib.h>
#include <string.h>

typedef struct Reading {
  rth_options_t *o;
  int quiet;
  int idx; /* of the table */
} Reading;

static int bad(lua_State *L, const char *key, const char *what) {
  return luaL_error(L, "%s must be %s, got %s", key, what,
                    luaL_typename(L, -1));
}

/* ---- readers: the value is on top --------------------------------------- */

static lua_Integer count(lua_State *L, const char *key, lua_Integer max,
                         const char *zero) {
  int ok;
  lua_Integer n = lua_tointegerx(L, -1, &ok);
  if (lua_type(L, -1) != LUA_TNUMBER) return bad(L, key, "an integer");
  if (!ok) return luaL_error(L, "%s must be an integer", key);
  if (n == 0) return luaL_error(L, "%s %s", key, zero);
  if (n < 0 || n > max)
    return luaL_error(L, "%s must be from 1 to %I", key, (LUAI_UACINT)max);
  return n;
}

static const char *text(lua_State *L, const char *key) {
  size_t len;
  const char *s;
  if (lua_type(L, -1) != LUA_TSTRING) bad(L, key, "a string");
  s = lua_tolstring(L, -1, &len);
  if (strlen(s) != len) luaL_error(L, "%s may not contain zeros", key);
  return s;
}

static int choice(lua_State *L, const char *key, const char *const list[]) {
  const char *s = text(L, key);
  int i;
  for (i = 0; list[i] != NULL; i++)
    if (strcmp(list[i], s) == 0) return i;
  lua_pushfstring(L, "%s must be '%s'", key, list[0]);
  for (i = 1; list[i] != NULL; i++)
    lua_pushfstring(L, "%s '%s'", list[i + 1] == NULL ? " or" : ",", list[i]);
  lua_pushfstring(L, ", got '%s'", s);
  lua_concat(L, i + 1);
  luaL_where(L, 1);
  lua_insert(L, -2);
  lua_concat(L, 2);
  return lua_error(L);
}

static void read_flavor(lua_State *L, Reading *r, const char *key) {
  static const char *const list[] = {"multi_thread", "current_thread", NULL};
  r->o->flavor = (rth_flavor_t)choice(L, key, list);
}

static void read_worker_threads(lua_State *L, Reading *r, const char *key) {
  r->o->worker_threads =
      (unsigned)count(L, key, 1 << 15, "cannot be set to 0");
}

static void read_max_blocking(lua_State *L, Reading *r, const char *key) {
  r->o->max_blocking_threads =
      (unsigned)count(L, key, 1 << 20, "cannot be set to 0");
}

static void read_keep_alive(lua_State *L, Reading *r, const char *key) {
  lua_Number s = lua_tonumber(L, -1);
  if (lua_type(L, -1) != LUA_TNUMBER) bad(L, key, "a number");
  if (!(s >= 0)) luaL_error(L, "%s must be a number from 0", key);
  r->o->thread_keep_alive = s > 1e9 ? RTH_FOREVER : (uint64_t)(s * 1e9);
}

static void read_thread_name(lua_State *L, Reading *r, const char *key) {
  r->o->thread_name = text(L, key);
}

static void read_stack_size(lua_State *L, Reading *r, const char *key) {
  r->o->thread_stack_size = (size_t)count(L, key, (lua_Integer)1 << 40,
                                          "cannot be set to 0");
  if (r->o->thread_stack_size < 65536)
    luaL_error(L, "%s must be at least 65536", key);
}

static void read_name(lua_State *L, Reading *r, const char *key) {
  r->o->name = text(L, key);
  if (r->o->name[strspn(r->o->name, " \t\r\n")] == '\0')
    luaL_error(L, "runtime name shouldn't be empty");
}

static void read_event_interval(lua_State *L, Reading *r, const char *key) {
  r->o->event_interval =
      (unsigned)count(L, key, 1 << 30, "must be greater than 0");
}

static void read_queue_interval(lua_State *L, Reading *r, const char *key) {
  r->o->global_queue_interval =
      (unsigned)count(L, key, 1 << 30, "must be greater than 0");
}

static void read_hook(lua_State *L, Reading *r, const char *key) {
  (void)r;
  if (!lua_isfunction(L, -1)) bad(L, key, "a function");
}

static void read_unhandled(lua_State *L, Reading *r, const char *key) {
  static const char *const list[] = {"warn", "ignore", "shutdown_runtime",
                                     NULL};
  int i = choice(L, key, list);
  r->quiet = i == 1;
  r->o->shutdown_on_unhandled = i == 2;
}

static void read_start_paused(lua_State *L, Reading *r, const char *key) {
  if (!lua_isboolean(L, -1)) bad(L, key, "a boolean");
  r->o->start_paused = lua_toboolean(L, -1);
}

static const struct {
  const char *name;
  void (*read)(lua_State *L, Reading *r, const char *key);
} options[] = {{"flavor", read_flavor},
               {"worker_threads", read_worker_threads},
               {"max_blocking_threads", read_max_blocking},
               {"thread_keep_alive", read_keep_alive},
               {"thread_name", read_thread_name},
               {"thread_stack_size", read_stack_size},
               {"name", read_name},
               {"event_interval", read_event_interval},
               {"global_queue_interval", read_queue_interval},
               {"on_thread_start", read_hook},
               {"on_thread_stop", read_hook},
               {"unhandled_panic", read_unhandled},
               {"start_paused", read_start_paused}};

enum { NOPTIONS = sizeof options / sizeof *options };

/* ---- the table ---------------------------------------------------------- */

static void read_table(lua_State *L, Reading *r) {
  lua_pushnil(L);
  while (lua_next(L, r->idx)) {
    const char *key;
    int i;
    if (lua_type(L, -2) != LUA_TSTRING)
      luaL_error(L, "runtime options must have names, got a %s",
                 luaL_typename(L, -2));
    key = lua_tostring(L, -2);
    for (i = 0; i < NOPTIONS; i++)
      if (strcmp(key, options[i].name) == 0) break;
    if (i == NOPTIONS)
      rthL_unknown(L, "runtime", key, options, sizeof *options, NOPTIONS);
    options[i].read(L, r, key);
    lua_pop(L, 1);
  }
}

static void check_together(lua_State *L, const rth_options_t *o) {
  if (o->flavor == RTH_CURRENT_THREAD) {
    if (o->worker_threads != 0)
      luaL_error(L, "worker_threads is only for the multi_thread flavor");
    return;
  }
  if (o->start_paused)
    luaL_error(L, "start_paused requires the current_thread flavor");
  if (o->shutdown_on_unhandled)
    luaL_error(L, "unhandled_panic = 'shutdown_runtime' is only supported by "
                  "the current_thread flavor");
}

static void default_workers(lua_State *L, rth_options_t *o) {
  int from_env;
  if (o->flavor == RTH_CURRENT_THREAD || o->worker_threads != 0) return;
  if (rth_default_workers(&o->worker_threads, &from_env) != RTH_OK)
    luaL_error(L, "RTHANDLE_WORKER_THREADS must be a number from 1, got '%s'",
               getenv("RTHANDLE_WORKER_THREADS"));
}

/* ---- the shared part ---------------------------------------------------- */

static rthL_Message *read_hook_code(lua_State *L, int idx, const char *key) {
  rthL_Message *m;
  if (lua_getfield(L, idx, key) == LUA_TNIL) {
    lua_pop(L, 1);
    return NULL;
  }
  m = rthL_encode_call(L, lua_gettop(L), 0, RTHL_HOOK | RTHL_MANY, NULL);
  lua_pop(L, 1);
  return m;
}

void rthL_options(lua_State *L, int idx, rth_options_t *o,
                  rthL_Shared **shared) {
  Reading r = {o, 0, idx};
  rthL_Shared *sh;
  rth_options_init(o);
  if (!lua_isnoneornil(L, idx)) {
    luaL_checktype(L, idx, LUA_TTABLE);
    read_table(L, &r);
    check_together(L, o);
  }
  default_workers(L, o);
  sh = rthL_shared_new(L, o->worker_threads != 0 ? o->worker_threads : 1);
  *shared = sh;
  sh->quiet = r.quiet;
  if (!lua_isnoneornil(L, idx)) {
    sh->on_start = read_hook_code(L, idx, "on_thread_start");
    sh->on_stop = read_hook_code(L, idx, "on_thread_stop");
  }
  rthL_shared_paths(L, sh);
  rthL_thread_hooks(o, sh);
}
