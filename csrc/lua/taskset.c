/* taskset - tasks of one owner, and their ends in the order in which they came.
**
** WHY      each task has a waker of its own, which puts the task's entry into
**          an unbounded channel of the set: so the order is that of
**          completion, and waiting costs the same for any number of tasks.
** THREADS  the one that runs the Lua state; entries are sent by any.
** OWNS     the set has the receiver; an entry is counted by its wakers and the
**          channel, and has a sender.  The owner's user values have the
**          JoinHandles, and their watches (operations that nobody polls).
*/
#include "lua/taskset.h"

#include <stdlib.h>

#include "lua/enter.h"

/* ---- entries ------------------------------------------------------------ */

static void ended_unref(void *data) {
  rthL_Ended *e = data;
  if (rth_counter_add(&e->refs, -1) != 0) return;
  rth_mpsc_tx_free(e->done);
  free(e);
}

static void ended_drop(rth_msg_t *m) { ended_unref(m); }
static void ended_ref(void *data) {
  (void)rth_counter_add(&((rthL_Ended *)data)->refs, 1);
}

/* It is sent once, whoever says that the task ended. */
static void ended_wake_by_ref(void *data) {
  rthL_Ended *e = data;
  if (rth_counter_add(&e->wakes, 1) != 1) return;
  ended_ref(e);
  if (rth_mpsc_try_send(e->done, &e->head) != RTH_OK) ended_unref(e);
}

static void ended_wake(void *data) {
  ended_wake_by_ref(data);
  ended_unref(data);
}

static const rth_waker_ops_t ended_ops = {ended_ref, ended_wake,
                                          ended_wake_by_ref, ended_unref};

static rthL_Ended *new_ended(rthL_Set *s) {
  rthL_Ended *e = calloc(1, sizeof *e);
  if (e == NULL) return NULL;
  e->head.drop = ended_drop;
  rth_counter_set(&e->refs, 1);
  e->done = s->box.core;
  rth_mpsc_tx_clone(e->done);
  return e;
}

/* ---- the set ------------------------------------------------------------ */

void rthL_set_open(lua_State *L, rthL_Set *s) {
  rth_mpsc_t *c;
  int rc, i;
  for (i = 1; i <= 2; i++) {
    lua_newtable(L);
    lua_setiuservalue(L, -2, i);
  }
  rc = rth_mpsc_new(0, &c);
  if (rc != RTH_OK) rthL_sync_error(L, rc);
  s->box.core = c; /* the set has a sender, too, for its entries */
}

void rthL_set_free(void *core) {
  rth_mpsc_tx_free(core);
  rth_mpsc_rx_free(core);
}

void rthL_set_close(rthL_Set *s) {
  void *core = s->box.core;
  s->box.core = NULL;
  if (core != NULL) rthL_set_free(core);
}

/* ---- spawning ----------------------------------------------------------- */

/* Pushes "file:line" of the Lua code that called this function, or nil. */
static void push_where(lua_State *L) {
  lua_Debug ar;
  int level;
  for (level = 1; lua_getstack(L, level, &ar); level++) {
    lua_getinfo(L, "Sl", &ar);
    if (ar.currentline <= 0) continue;
    lua_pushfstring(L, "%s:%d", ar.short_src, ar.currentline);
    return;
  }
  lua_pushnil(L);
}

/* Keeps the value at `idx` in a user value of the owner (upvalue 3), under the
** id of the JoinHandle. */
static void keep(lua_State *L, const rthL_Join *j, int idx, int which) {
  lua_getiuservalue(L, lua_upvalueindex(3), which);
  lua_pushvalue(L, idx);
  lua_rawseti(L, -2, (lua_Integer)j->id);
  lua_pop(L, 1);
}

/* spawn_protected(where or nil, name or nil, f, ...); upvalues: the state,
** options, the owner, the watch.  All that may raise is done here. */
static int spawn_protected(lua_State *L) {
  rthL_State *S = rthL_here(L);
  rthL_SpawnOptions o =
      *(rthL_SpawnOptions *)lua_touserdata(L, lua_upvalueindex(2));
  int handle;
  o.tags.where = lua_isnil(L, 1) ? 0 : 1;
  o.tags.name = lua_isnil(L, 2) ? 0 : 2;
  (void)rthL_spawn_as(L, S, rthL_checkcurrent(L, S), 3, &o);
  handle = lua_gettop(L);
  luaL_checkstack(L, 4, NULL);
  keep(L, lua_touserdata(L, handle), lua_upvalueindex(4), 2);
  keep(L, lua_touserdata(L, handle), handle, 1);
  return 1;
}

/* An error of spawn_protected is on top: its place is the caller's. */
static int spawn_failed(lua_State *L) {
  luaL_where(L, 1);
  if (lua_type(L, -2) == LUA_TSTRING) {
    lua_insert(L, -2);
    lua_concat(L, 2);
  } else {
    lua_pop(L, 1);
  }
  return lua_error(L);
}

/* The task of the JoinHandle at the top is in the set from now on; its watch
** is at index 2.  Consumes e. */
static void add(lua_State *L, rthL_State *S, rthL_Set *s, rthL_Ended *e) {
  rth_waker_t w = {&ended_ops, NULL};
  rthL_Join *j = lua_touserdata(L, -1);
  e->join = j;
  e->id = j->id;
  w.data = e;
  rthL_join_watch(S, j, lua_touserdata(L, 2), &w);
  s->n++;
}

int rthL_set_spawn(lua_State *L, rthL_Set *s, int kind) {
  rthL_State *S = rthL_here(L);
  rthL_SpawnOptions o = {RTHL_SPAWN, {0, 0}, 0};
  rth_handle_t *h;
  rthL_Ended *e;
  luaL_checkstack(L, 10, NULL);
  if (kind < 0) {
    rthL_spawn_options(L, 2, &o);
    lua_remove(L, 2);
  } else {
    luaL_checktype(L, 2, LUA_TFUNCTION);
    o.kind = (rthL_Kind)kind;
    lua_pushnil(L); /* no name */
    lua_insert(L, 2);
  }
  h = rthL_checkcurrent(L, S);
  if (o.kind == RTHL_SPAWN_LOCAL && !rthL_local_runs(S, h))
    return rthL_local_refuse(L);
  rthL_join_newwatch(L);
  lua_insert(L, 2);
  lua_pushlightuserdata(L, S);
  lua_pushlightuserdata(L, &o);
  lua_pushvalue(L, 1);
  lua_pushvalue(L, 2);
  lua_pushcclosure(L, spawn_protected, 4);
  lua_insert(L, 3);
  push_where(L);
  lua_insert(L, 4);
  e = new_ended(s);
  if (e == NULL) return rthL_raise(L, RTH_ENOMEM);
  if (lua_pcall(L, lua_gettop(L) - 3, 1, 0) != LUA_OK) {
    ended_unref(e);
    return spawn_failed(L);
  }
  add(L, S, s, e);
  return 1;
}

/* ---- ends --------------------------------------------------------------- */

/* Takes a key out of the table that is user value `which` of the owner. */
static void forget(lua_State *L, int owner, int which, lua_Integer id) {
  lua_getiuservalue(L, owner, which);
  lua_pushnil(L);
  lua_rawseti(L, -2, id); /* the key exists: nothing here allocates */
  lua_pop(L, 1);
}

uint64_t rthL_set_take(lua_State *L, rthL_Set *s, rthL_Ended *e, int owner) {
  uint64_t id = e->id;
  ended_unref(e);
  s->n--;
  lua_getiuservalue(L, owner, 1);
  lua_rawgeti(L, -1, (lua_Integer)id);
  lua_remove(L, -2);
  forget(L, owner, 1, (lua_Integer)id);
  forget(L, owner, 2, (lua_Integer)id);
  return id;
}

void rthL_set_abort(lua_State *L, rthL_State *S) {
  int top = lua_gettop(L);
  luaL_checkstack(L, 6, NULL);
  lua_getiuservalue(L, 1, 1);
  lua_pushnil(L);
  while (lua_next(L, top + 1)) {
    rthL_join_stop(S, lua_touserdata(L, -1));
    lua_pop(L, 1);
  }
  lua_settop(L, top);
}

void rthL_set_leave(lua_State *L, rthL_State *S, rthL_Set *s) {
  int top = lua_gettop(L);
  rth_msg_t *m;
  luaL_checkstack(L, 6, NULL);
  lua_getiuservalue(L, 1, 2);
  lua_pushnil(L);
  while (lua_next(L, top + 1)) {
    rthL_join_unwatch(S, lua_touserdata(L, -1));
    lua_pop(L, 1);
  }
  lua_settop(L, top);
  if (s->box.core != NULL)
    while (rth_mpsc_try_recv(s->box.core, &m) == RTH_OK) m->drop(m);
  s->n = 0;
}
