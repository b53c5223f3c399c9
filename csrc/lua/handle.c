/* handle - Handle, TryCurrentError, and the functions on the current runtime.
**
** WHY      all spawning goes through two functions, so Runtime, Handle, the
**          free functions and async_runtime cannot drift apart.  They are C
**          functions that scripts call directly, so errors name the caller's
**          line.
** THREADS  the one that runs the Lua state.
** OWNS     a Handle has one reference.
*/
#include "lua/handle.h"

#include <string.h>

#include "lua/enter.h"
#include "lua/fiber.h"
#include "lua/join.h"
#include "lua/move.h"
#include "lua/task.h"

typedef struct Handle {
  rth_handle_t *h;
} Handle;

int rthL_pushhandle(lua_State *L, rthL_State *S, rth_handle_t *h) {
  Handle *ud = rthL_new(L, S, RTHL_HANDLE, sizeof *ud, 0);
  ud->h = rth_handle_clone(h);
  return 1;
}

rth_handle_t *rthL_checkhandle(lua_State *L, rthL_State *S, int idx) {
  Handle *ud = rthL_check(L, S, idx, RTHL_HANDLE);
  if (ud->h == NULL) luaL_argerror(L, idx, "Handle is finalized");
  return ud->h;
}

/* ---- spawning ----------------------------------------------------------- */

int rthL_spawn_as(lua_State *L, rthL_State *S, rth_handle_t *h, int f,
                  const rthL_SpawnOptions *o) {
  switch (o->kind) {
    case RTHL_SPAWN_LOCAL:
      return rthL_spawn_local(L, S, h, f, o->tags);
    case RTHL_BLOCKING:
      return rthL_spawn_blocking(L, S, h, f, o->tags, o->flags);
    default:
      return rthL_spawn(L, S, h, f, o->tags, o->flags);
  }
}

int rthL_spawn_kind(lua_State *L, rthL_State *S, rth_handle_t *h, int f,
                    rthL_Kind kind) {
  rthL_SpawnOptions o = {RTHL_SPAWN, {0, 0}, 0};
  o.kind = kind;
  return rthL_spawn_as(L, S, h, f, &o);
}

static int option(lua_State *L, int opts, const char *key, const char *value,
                  const char *const list[]) {
  int i;
  for (i = 0; list[i] != NULL; i++)
    if (strcmp(list[i], value) == 0) return i;
  return luaL_argerror(
      L, opts, lua_pushfstring(L, "unknown %s '%s'", key, value));
}

/* One field; the value is at the top. */
static void spawn_option(lua_State *L, int opts, const char *key,
                         rthL_SpawnOptions *o) {
  static const char *const kinds[] = {"spawn", "local", "blocking", NULL};
  static const char *const captures[] = {"copy", NULL};
  const char *value;
  if (strcmp(key, "name") != 0 && strcmp(key, "kind") != 0 &&
      strcmp(key, "captures") != 0)
    luaL_argerror(L, opts,
                  lua_pushfstring(L, "unknown spawn option '%s'", key));
  if (lua_type(L, -1) != LUA_TSTRING)
    luaL_argerror(L, opts,
                  lua_pushfstring(L, "%s must be a string, got %s", key,
                                  luaL_typename(L, -1)));
  value = lua_tostring(L, -1);
  if (*key == 'n') {
    lua_replace(L, o->tags.name);
    lua_pushnil(L); /* for the caller to pop */
  } else if (*key == 'k') {
    o->kind = (rthL_Kind)option(L, opts, "kind", value, kinds);
  } else {
    (void)option(L, opts, "captures", value, captures);
    o->flags = RTHL_COPY_CAPTURES;
  }
}

void rthL_spawn_options(lua_State *L, int opts, rthL_SpawnOptions *o) {
  luaL_checktype(L, opts, LUA_TTABLE);
  luaL_checktype(L, opts + 1, LUA_TFUNCTION);
  lua_pushnil(L); /* the name's place, below the function */
  lua_insert(L, opts + 1);
  o->kind = RTHL_SPAWN;
  o->flags = 0;
  o->tags.where = 0;
  o->tags.name = opts + 1;
  lua_pushnil(L);
  while (lua_next(L, opts)) {
    if (lua_type(L, -2) != LUA_TSTRING)
      luaL_argerror(L, opts, "unknown spawn option");
    spawn_option(L, opts, lua_tostring(L, -2), o);
    lua_pop(L, 1);
  }
  if (lua_isnil(L, o->tags.name)) o->tags.name = 0;
}

int rthL_spawn_with(lua_State *L, rthL_State *S, rth_handle_t *h, int opts) {
  rthL_SpawnOptions o;
  rthL_spawn_options(L, opts, &o);
  return rthL_spawn_as(L, S, h, opts + 2, &o);
}

/* ---- free functions ----------------------------------------------------- */

static const rthL_Tags untagged = {0, 0};

static int free_spawn(lua_State *L) {
  rthL_State *S = rthL_here(L);
  return rthL_spawn(L, S, rthL_checkcurrent(L, S), 1, untagged, 0);
}

static int free_spawn_local(lua_State *L) {
  rthL_State *S = rthL_here(L);
  return rthL_spawn_local(L, S, rthL_checkcurrent(L, S), 1, untagged);
}

static int free_spawn_blocking(lua_State *L) {
  rthL_State *S = rthL_here(L);
  return rthL_spawn_blocking(L, S, rthL_checkcurrent(L, S), 1, untagged, 0);
}

static int free_spawn_with(lua_State *L) {
  rthL_State *S = rthL_here(L);
  return rthL_spawn_with(L, S, rthL_checkcurrent(L, S), 1);
}

static uint64_t task_id(rthL_State *S) {
  return S->cur != NULL && S->cx != NULL ? S->cx->task_id : S->task_id;
}

static int free_task_id(lua_State *L) {
  uint64_t id = task_id(rthL_here(L));
  if (id == 0)
    return luaL_error(L, "Can't get a task id when not inside a task");
  lua_pushinteger(L, (lua_Integer)id);
  return 1;
}

static int free_try_task_id(lua_State *L) {
  uint64_t id = task_id(rthL_here(L));
  if (id == 0)
    lua_pushnil(L);
  else
    lua_pushinteger(L, (lua_Integer)id);
  return 1;
}

static int free_worker_index(lua_State *L) {
  int i = rth_worker_index();
  if (i < 0)
    lua_pushnil(L);
  else
    lua_pushinteger(L, i + 1);
  return 1;
}

/* ---- Handle ------------------------------------------------------------- */

static int handle_current(lua_State *L) {
  rthL_State *S = rthL_here(L);
  return rthL_pushhandle(L, S, rthL_checkcurrent(L, S));
}

static int handle_try_current(lua_State *L) {
  rthL_State *S = rthL_here(L);
  rth_handle_t *h = rthL_current(S);
  if (h != NULL) return rthL_pushhandle(L, S, h);
  lua_pushnil(L);
  (void)rthL_new(L, S, RTHL_TRYERROR, 1, 0);
  return 2;
}

static int handle_spawn(lua_State *L) {
  rthL_State *S = rthL_here(L);
  return rthL_spawn(L, S, rthL_checkhandle(L, S, 1), 2, untagged, 0);
}

static int handle_spawn_local(lua_State *L) {
  rthL_State *S = rthL_here(L);
  return rthL_spawn_local(L, S, rthL_checkhandle(L, S, 1), 2, untagged);
}

static int handle_spawn_blocking(lua_State *L) {
  rthL_State *S = rthL_here(L);
  return rthL_spawn_blocking(L, S, rthL_checkhandle(L, S, 1), 2, untagged, 0);
}

static int handle_spawn_with(lua_State *L) {
  rthL_State *S = rthL_here(L);
  return rthL_spawn_with(L, S, rthL_checkhandle(L, S, 1), 2);
}

static int handle_block_on(lua_State *L) {
  rthL_State *S = rthL_here(L);
  return rthL_block_on(L, S, rthL_checkhandle(L, S, 1), 0, 2);
}

static int handle_enter(lua_State *L) {
  rthL_State *S = rthL_here(L);
  return rthL_enter(L, S, rthL_checkhandle(L, S, 1));
}

static int handle_clone(lua_State *L) {
  rthL_State *S = rthL_here(L);
  return rthL_pushhandle(L, S, rthL_checkhandle(L, S, 1));
}

static int handle_id(lua_State *L) {
  rth_handle_t *h = rthL_checkhandle(L, rthL_here(L), 1);
  lua_pushinteger(L, (lua_Integer)rth_handle_id(h));
  return 1;
}

static int handle_name(lua_State *L) {
  lua_pushstring(L, rth_handle_name(rthL_checkhandle(L, rthL_here(L), 1)));
  return 1;
}

static const char *flavor(rth_handle_t *h) {
  return rth_handle_flavor(h) == RTH_CURRENT_THREAD ? "current_thread"
                                                    : "multi_thread";
}

static int handle_runtime_flavor(lua_State *L) {
  lua_pushstring(L, flavor(rthL_checkhandle(L, rthL_here(L), 1)));
  return 1;
}

static int handle_metrics(lua_State *L) {
  rthL_State *S = rthL_here(L);
  return rthL_metrics(L, S, rthL_checkhandle(L, S, 1));
}

static int handle_tostring(lua_State *L) {
  rth_handle_t *h = rthL_checkhandle(L, rthL_here(L), 1);
  lua_pushfstring(L, "rthandle.Handle(%s, id=%I, workers=%d)", flavor(h),
                  (LUAI_UACINT)rth_handle_id(h),
                  (int)rth_handle_num_workers(h));
  return 1;
}

static int handle_eq(lua_State *L) {
  rthL_State *S = rthL_here(L);
  Handle *a = rthL_to(L, S, 1, RTHL_HANDLE), *b = rthL_to(L, S, 2, RTHL_HANDLE);
  lua_pushboolean(L, a != NULL && b != NULL && a->h != NULL && b->h != NULL &&
                         rth_handle_id(a->h) == rth_handle_id(b->h));
  return 1;
}

static int handle_gc(lua_State *L) {
  Handle *ud = rthL_check(L, rthL_here(L), 1, RTHL_HANDLE);
  rth_handle_t *h = ud->h;
  ud->h = NULL;
  if (h != NULL) rth_handle_free(h);
  return 0;
}

static const char *move_check(lua_State *L, int idx) {
  Handle *ud = lua_touserdata(L, idx);
  return ud->h == NULL ? "Handle is finalized" : NULL;
}

static void *move_take(lua_State *L, int idx) {
  Handle *ud = lua_touserdata(L, idx);
  return rth_handle_clone(ud->h);
}

static void move_push(lua_State *L, void *object) {
  Handle *ud = rthL_new(L, rthL_find(L), RTHL_HANDLE, sizeof *ud, 0);
  ud->h = object;
}

static void move_drop(void *object) { rth_handle_free(object); }
static void move_keep(void *object) { (void)rth_handle_clone(object); }

/* ---- TryCurrentError ---------------------------------------------------- */

static int tryerror_tostring(lua_State *L) {
  lua_pushstring(L, rth_strerror(RTH_ENOCONTEXT));
  return 1;
}

static int tryerror_is_missing_context(lua_State *L) {
  (void)rthL_check(L, rthL_here(L), 1, RTHL_TRYERROR);
  lua_pushboolean(L, 1);
  return 1;
}

/* It says the same everywhere: nothing but its type travels. */
static char the_same;
static void *tryerror_take(lua_State *L, int idx) {
  (void)L;
  (void)idx;
  return &the_same;
}
static void tryerror_push(lua_State *L, void *object) {
  (void)object;
  (void)rthL_new(L, rthL_find(L), RTHL_TRYERROR, 1, 0);
}
static void tryerror_drop(void *object) { (void)object; }

static void open_tryerror(lua_State *L, rthL_State *S) {
  static const luaL_Reg meta[] = {{"__tostring", tryerror_tostring},
                                  {NULL, NULL}};
  static const luaL_Reg methods[] = {
      {"is_missing_context", tryerror_is_missing_context}, {NULL, NULL}};
  static const rthL_MoveOps ops = {NULL, tryerror_take, tryerror_push,
                                   tryerror_drop, tryerror_drop};
  rthL_type(L, S, RTHL_TRYERROR, "rthandle.TryCurrentError", meta, methods);
  rthL_set_move_ops(L, &ops);
  lua_pop(L, 1);
}

void rthL_open_handle(lua_State *L, rthL_State *S) {
  static const luaL_Reg meta[] = {{"__gc", handle_gc},
                                  {"__eq", handle_eq},
                                  {"__tostring", handle_tostring},
                                  {NULL, NULL}};
  static const luaL_Reg methods[] = {
      {"spawn", handle_spawn},
      {"spawn_local", handle_spawn_local},
      {"spawn_blocking", handle_spawn_blocking},
      {"spawn_with", handle_spawn_with},
      {"block_on", handle_block_on},
      {"enter", handle_enter},
      {"clone", handle_clone},
      {"id", handle_id},
      {"name", handle_name},
      {"runtime_flavor", handle_runtime_flavor},
      {"metrics", handle_metrics},
      {NULL, NULL}};
  static const luaL_Reg class[] = {{"current", handle_current},
                                   {"try_current", handle_try_current},
                                   {NULL, NULL}};
  static const luaL_Reg functions[] = {{"spawn", free_spawn},
                                       {"spawn_local", free_spawn_local},
                                       {"spawn_blocking", free_spawn_blocking},
                                       {"spawn_with", free_spawn_with},
                                       {"yield_now", rthL_yield_now},
                                       {"task_id", free_task_id},
                                       {"try_task_id", free_try_task_id},
                                       {"worker_index", free_worker_index},
                                       {NULL, NULL}};
  static const rthL_MoveOps ops = {move_check, move_take, move_push,
                                   move_drop, move_keep};
  open_tryerror(L, S);
  rthL_type(L, S, RTHL_HANDLE, "rthandle.Handle", meta, methods);
  rthL_set_move_ops(L, &ops);
  lua_pop(L, 1);
  lua_newtable(L);
  rthL_setfuncs(L, S, class);
  lua_setfield(L, -2, "Handle");
  rthL_setfuncs(L, S, functions);
}
