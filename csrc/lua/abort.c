/* abort - AbortHandle.
**
** WHY      it aborts a task from any thread, and may be copied, where the
**          JoinHandle has one owner.
** THREADS  the one that runs the Lua state.
** OWNS     a handle of the core, unless the task had ended when it was made.
*/
#include "lua/join.h"

typedef struct Abort {
  rth_abort_t *core; /* NULL: the task had ended */
  uint64_t id;
} Abort;

int rthL_pushabort(lua_State *L, rthL_State *S, rthL_Join *j) {
  Abort *a = rthL_new(L, S, RTHL_ABORT, sizeof *a, 0);
  a->id = j->id;
  if (rthL_join_core(S, j) != NULL) a->core = rth_join_abort_handle(j->u.core);
  return 1;
}

static Abort *check_abort(lua_State *L) {
  return rthL_check(L, rthL_here(L), 1, RTHL_ABORT);
}

static int abort_abort(lua_State *L) {
  Abort *a = check_abort(L);
  if (a->core != NULL) rth_abort(a->core);
  return 0;
}

static int abort_is_finished(lua_State *L) {
  Abort *a = check_abort(L);
  lua_pushboolean(L, a->core == NULL || rth_abort_is_finished(a->core));
  return 1;
}

static int abort_id(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)check_abort(L)->id);
  return 1;
}

static int abort_tostring(lua_State *L) {
  lua_pushfstring(L, "rthandle.AbortHandle(id=%I)",
                  (LUAI_UACINT)check_abort(L)->id);
  return 1;
}

static int abort_gc(lua_State *L) {
  Abort *a = rthL_check(L, rthL_here(L), 1, RTHL_ABORT);
  rth_abort_t *core = a->core;
  a->core = NULL;
  if (core != NULL) rth_abort_free(core);
  return 0;
}

/* Where the core's handle is gone its id travels alone, as an odd number that
** is no address. */
static void *abort_take(lua_State *L, int idx) {
  Abort *a = lua_touserdata(L, idx);
  if (a->core == NULL) return (void *)(uintptr_t)(a->id << 1 | 1);
  return rth_abort_clone(a->core);
}

static void abort_push(lua_State *L, void *object) {
  Abort *a = rthL_new(L, rthL_find(L), RTHL_ABORT, sizeof *a, 0);
  uintptr_t odd = (uintptr_t)object;
  if (odd & 1) {
    a->id = odd >> 1;
    return;
  }
  a->core = object;
  a->id = rth_abort_id(a->core);
}

static void abort_drop(void *object) {
  if (!((uintptr_t)object & 1)) rth_abort_free(object);
}

static void abort_keep(void *object) {
  if (!((uintptr_t)object & 1)) (void)rth_abort_clone(object);
}

void rthL_open_abort(lua_State *L, rthL_State *S) {
  static const luaL_Reg meta[] = {
      {"__gc", abort_gc}, {"__tostring", abort_tostring}, {NULL, NULL}};
  static const luaL_Reg methods[] = {{"abort", abort_abort},
                                     {"is_finished", abort_is_finished},
                                     {"id", abort_id},
                                     {NULL, NULL}};
  static const rthL_MoveOps ops = {NULL, abort_take, abort_push, abort_drop,
                                   abort_keep};
  rthL_type(L, S, RTHL_ABORT, "rthandle.AbortHandle", meta, methods);
  rthL_set_move_ops(L, &ops);
  lua_pop(L, 1);
}
