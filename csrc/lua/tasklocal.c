/* tasklocal - rt.task_local: values that belong to a task.
**
** WHY      a value is bound in the very coroutine that called `scope`, not in
**          one of its own: so scope costs no coroutine, and works in plain
**          code.  What is bound is a list of the fiber, newest first, and each
**          entry says in which coroutine it was bound; so an iterator that
**          yields out of its scope does not bind anything for its caller.
**          Nobody who has no task-local values pays for them.
** THREADS  the one that runs the Lua state; a key is a number, for any.
** OWNS     an entry is a userdata on the stack of its coroutine, which closes
**          it at the end of the scope.  User value 1: the value; 2: the
**          coroutine.  A weak table finds it by its address.
** INVARIANT  an entry is in the list of its fiber, or of plain code, while
**          its scope lasts; a fiber that ends leaves its entries alone.
*/
#include "lua/tasklocal.h"

#include <limits.h>

#include "lua/fiber.h"
#include "lua/move.h"

typedef struct Key {
  uint64_t id;
} Key;

struct rthL_Bound {
  rthL_Bound *next, **from; /* in the list; from NULL: in none */
  lua_State *co;
  lua_State *body; /* the coroutine of the fiber; NULL: plain code */
  uint64_t key;
};

static rth_counter_t keys;

/* ---- the list ----------------------------------------------------------- */

static void bind(rthL_Bound **list, rthL_Bound *b) {
  b->next = *list;
  b->from = list;
  if (b->next != NULL) b->next->from = &b->next;
  *list = b;
}

static void unbind(rthL_Bound *b) {
  if (b->from == NULL) return;
  *b->from = b->next;
  if (b->next != NULL) b->next->from = b->from;
  b->from = NULL;
}

/* The scope is over. */
static void leave(lua_State *L, rthL_State *S, rthL_Bound *b) {
  if (b->from == NULL || !lua_checkstack(L, 2)) return;
  unbind(b);
  lua_rawgeti(L, LUA_REGISTRYINDEX, S->bindings);
  lua_pushnil(L);
  lua_rawsetp(L, -2, b); /* the key exists: nothing here allocates */
  lua_pop(L, 1);
}

void rthL_bound_leave(rthL_Bound *list) {
  for (; list != NULL; list = list->next) list->from = NULL;
}

/* How far inside of the fiber's coroutines co is; less than 0: it is none of
** those that run or wait now.  L runs. */
static int depth(lua_State *L, const rthL_Fiber *f, lua_State *co) {
  int i;
  if (co == L) return INT_MAX;
  if (f != NULL && co == f->co) return 0;
  for (i = 0; f != NULL && f->extra != NULL && i < f->extra->nnested; i++)
    if (f->extra->nested[i] == co) return i + 1;
  /* Resumed by others than rt.coroutine: it is not suspended. */
  return lua_status(co) == LUA_OK ? INT_MAX - 1 : -1;
}

/* The innermost entry, and of those the newest. */
static rthL_Bound *innermost(lua_State *L, const rthL_Fiber *f,
                             rthL_Bound *list, uint64_t key) {
  rthL_Bound *best = NULL;
  int at, best_at = -1;
  for (; list != NULL; list = list->next) {
    if (list->key != key) continue;
    at = depth(L, f, list->co);
    if (at <= best_at) continue;
    best = list;
    best_at = at;
  }
  return best;
}

/* A part of a task has what was bound where it was begun. */
static rthL_Bound *find(lua_State *L, rthL_State *S, uint64_t key) {
  rthL_Fiber *f = S->cur;
  rthL_Bound *b;
  for (; f != NULL; f = rthL_whole(f)) {
    b = f->extra != NULL ? innermost(L, f, f->extra->bound, key) : NULL;
    if (b != NULL) return b;
    if (!f->part) return NULL;
  }
  return innermost(L, NULL, S->bound, key);
}

/* ---- scope -------------------------------------------------------------- */

static Key *check(lua_State *L) {
  return rthL_check(L, rthL_here(L), 1, RTHL_LOCALKEY);
}

/* The key, the entry, then the results. */
static int left(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  leave(L, rthL_here(L), (rthL_Bound *)ctx);
  return lua_gettop(L) - 2;
}

static int key_scope(lua_State *L) {
  rthL_State *S = rthL_here(L);
  uint64_t key = check(L)->id;
  rthL_Bound *b, **list = &S->bound;
  luaL_checkany(L, 2);
  luaL_checktype(L, 3, LUA_TFUNCTION);
  if (S->cur != NULL) list = &rthL_fiber_extra(L, S->cur)->bound;
  b = rthL_new(L, S, RTHL_BOUND, sizeof *b, 2);
  lua_pushvalue(L, 2);
  lua_setiuservalue(L, -2, 1);
  (void)lua_pushthread(L);
  lua_setiuservalue(L, -2, 2);
  lua_rawgeti(L, LUA_REGISTRYINDEX, S->bindings);
  lua_pushvalue(L, -2);
  lua_rawsetp(L, -2, b);
  lua_pop(L, 1);
  lua_replace(L, 2);
  lua_toclose(L, 2);
  b->key = key;
  b->co = L;
  b->body = S->cur != NULL ? S->cur->co : NULL;
  bind(list, b);
  lua_callk(L, lua_gettop(L) - 3, LUA_MULTRET, (lua_KContext)b, left);
  return left(L, LUA_OK, (lua_KContext)b);
}

static int bound_close(lua_State *L) {
  leave(L, rthL_here(L), lua_touserdata(L, 1));
  return 0;
}

/* A coroutine inside of a task, or of plain code, was left behind.  The body
** itself is there until its task ends: then this is the end of the state,
** which has yet to close that task. */
static int bound_gc(lua_State *L) {
  rthL_Bound *b = lua_touserdata(L, 1);
  if (b->co != b->body) unbind(b);
  return 0;
}

static int key_get(lua_State *L) {
  rthL_State *S = rthL_here(L);
  rthL_Bound *b = find(L, S, check(L)->id);
  if (b == NULL)
    return luaL_error(L, "cannot access a task-local storage value without "
                         "setting it first");
  lua_rawgeti(L, LUA_REGISTRYINDEX, S->bindings);
  lua_rawgetp(L, -1, b);
  lua_getiuservalue(L, -1, 1);
  return 1;
}

/* ---- keys --------------------------------------------------------------- */

static int push_key(lua_State *L, uint64_t id) {
  Key *k = rthL_new(L, rthL_find(L), RTHL_LOCALKEY, sizeof *k, 0);
  k->id = id;
  return 1;
}

static int task_local(lua_State *L) {
  return push_key(L, rth_counter_add(&keys, 1));
}

static int key_eq(lua_State *L) {
  rthL_State *S = rthL_here(L);
  Key *a = rthL_to(L, S, 1, RTHL_LOCALKEY);
  Key *b = rthL_to(L, S, 2, RTHL_LOCALKEY);
  lua_pushboolean(L, a != NULL && b != NULL && a->id == b->id);
  return 1;
}

static int key_tostring(lua_State *L) {
  lua_pushfstring(L, "rthandle.TaskLocal(id=%I)", (LUAI_UACINT)check(L)->id);
  return 1;
}

/* A key moves as its number. */
static void *key_take(lua_State *L, int idx) {
  const Key *k = lua_touserdata(L, idx);
  return (void *)(uintptr_t)k->id;
}

static void key_push(lua_State *L, void *object) {
  (void)push_key(L, (uint64_t)(uintptr_t)object);
}

static void key_drop(void *object) { (void)object; }

void rthL_open_tasklocal(lua_State *L, rthL_State *S) {
  static const luaL_Reg meta[] = {
      {"__eq", key_eq}, {"__tostring", key_tostring}, {NULL, NULL}};
  static const luaL_Reg methods[] = {
      {"scope", key_scope}, {"get", key_get}, {NULL, NULL}};
  static const luaL_Reg bound_meta[] = {
      {"__close", bound_close}, {"__gc", bound_gc}, {NULL, NULL}};
  static const luaL_Reg functions[] = {{"task_local", task_local},
                                       {NULL, NULL}};
  static const rthL_MoveOps ops = {NULL, key_take, key_push, key_drop,
                                   key_drop};
  rthL_type(L, S, RTHL_LOCALKEY, "rthandle.TaskLocal", meta, methods);
  rthL_set_move_ops(L, &ops);
  rthL_type(L, S, RTHL_BOUND, "rthandle.TaskLocalScope", bound_meta, NULL);
  lua_pop(L, 2);
  lua_newtable(L);
  lua_createtable(L, 0, 1);
  lua_pushliteral(L, "v");
  lua_setfield(L, -2, "__mode");
  lua_setmetatable(L, -2);
  S->bindings = luaL_ref(L, LUA_REGISTRYINDEX);
  rthL_setfuncs(L, S, functions);
}
