/* joinset - JoinSet: tasks, and their outcomes in the order of completion.
**
** WHY      each task has a waker of its own, which puts the task's entry into
**          an unbounded channel of the set: so the order is that of
**          completion, and waiting costs the same for any number of tasks.
** THREADS  the one that runs the Lua state; entries are sent by any.
** OWNS     the set has the receiver; an entry is counted by its wakers and the
**          channel, and has a sender.  User value 1 holds the JoinHandles by
**          id, 2 their watches (operations that nobody polls).
*/
#include <stdlib.h>

#include "lua/enter.h"
#include "lua/handle.h"
#include "lua/join.h"
#include "lua/sync.h"

typedef struct Set {
  rthL_Box box; /* core: the channel */
  lua_Integer n;
} Set;

typedef struct Entry {
  rth_msg_t head;
  rth_counter_t refs;
  rth_counter_t wakes;
  rth_mpsc_t *done; /* a sender */
  uint64_t id;
} Entry;

/* ---- entries ------------------------------------------------------------ */

static void entry_unref(void *data) {
  Entry *e = data;
  if (rth_counter_add(&e->refs, -1) != 0) return;
  rth_mpsc_tx_free(e->done);
  free(e);
}

static void entry_drop(rth_msg_t *m) { entry_unref(m); }
static void entry_ref(void *data) {
  (void)rth_counter_add(&((Entry *)data)->refs, 1);
}

/* It is sent once, whoever says that the task ended. */
static void entry_wake_by_ref(void *data) {
  Entry *e = data;
  if (rth_counter_add(&e->wakes, 1) != 1) return;
  entry_ref(e);
  if (rth_mpsc_try_send(e->done, &e->head) != RTH_OK) entry_unref(e);
}

static void entry_wake(void *data) {
  entry_wake_by_ref(data);
  entry_unref(data);
}

static const rth_waker_ops_t entry_ops = {entry_ref, entry_wake,
                                          entry_wake_by_ref, entry_unref};

static Entry *new_entry(Set *s) {
  Entry *e = calloc(1, sizeof *e);
  if (e == NULL) return NULL;
  e->head.drop = entry_drop;
  rth_counter_set(&e->refs, 1);
  e->done = s->box.core;
  rth_mpsc_tx_clone(e->done);
  return e;
}

static void channel_free(void *core) {
  rth_mpsc_tx_free(core);
  rth_mpsc_rx_free(core);
}

/* ---- the set ------------------------------------------------------------ */

static Set *check(lua_State *L) {
  return rthL_check(L, rthL_here(L), 1, RTHL_JOINSET);
}

static int set_new(lua_State *L) {
  Set *s = rthL_new(L, rthL_here(L), RTHL_JOINSET, sizeof *s, 2);
  rth_mpsc_t *c;
  int rc, i;
  for (i = 1; i <= 2; i++) {
    lua_newtable(L);
    lua_setiuservalue(L, -2, i);
  }
  rc = rth_mpsc_new(0, &c);
  if (rc != RTH_OK) return rthL_sync_error(L, rc);
  s->box.core = c; /* the set has a sender, too, for its entries */
  return 1;
}

/* The JoinHandle at the top joins the set at index 1; an AbortHandle takes its
** place.  The watch was made before, at index `watch`. */
static int add(lua_State *L, Set *s, Entry *e, int watch) {
  rthL_State *S = rthL_here(L);
  int handle = lua_gettop(L);
  rthL_Join *j = lua_touserdata(L, handle);
  rth_waker_t w = {&entry_ops, NULL};
  w.data = e;
  e->id = j->id;
  lua_getiuservalue(L, 1, 1);
  lua_pushvalue(L, handle);
  lua_rawseti(L, -2, (lua_Integer)j->id);
  lua_getiuservalue(L, 1, 2);
  lua_pushvalue(L, watch);
  lua_rawseti(L, -2, (lua_Integer)j->id);
  rthL_join_watch(S, j, lua_touserdata(L, watch), &w);
  s->n++;
  return rthL_pushabort(L, S, j);
}

/* Makes room below the function (or options) at index 2: a watch there, and
** answers the entry. */
static Entry *prepare(lua_State *L, Set *s) {
  Entry *e;
  (void)rthL_checkcurrent(L, rthL_here(L));
  luaL_checkstack(L, 10, NULL);
  rthL_join_newwatch(L);
  lua_insert(L, 2);
  e = new_entry(s);
  if (e == NULL) rthL_raise(L, RTH_ENOMEM);
  return e;
}

/* Upvalue 2: the rthL_Kind, or less than 0 for spawn_with. */
static int spawn_protected(lua_State *L) {
  rthL_State *S = rthL_here(L);
  int kind = (int)lua_tointeger(L, lua_upvalueindex(2));
  rth_handle_t *h = rthL_checkcurrent(L, S);
  if (kind < 0) return rthL_spawn_with(L, S, h, 1);
  return rthL_spawn_kind(L, S, h, 1, (rthL_Kind)kind);
}

static int spawn(lua_State *L, int kind) {
  rthL_State *S = rthL_here(L);
  Set *s = check(L);
  Entry *e;
  luaL_checktype(L, 2, kind < 0 ? LUA_TTABLE : LUA_TFUNCTION);
  if (kind < 0) luaL_checktype(L, 3, LUA_TFUNCTION);
  e = prepare(L, s);
  lua_pushlightuserdata(L, S);
  lua_pushinteger(L, kind);
  lua_pushcclosure(L, spawn_protected, 2);
  lua_insert(L, 3);
  if (lua_pcall(L, lua_gettop(L) - 3, 1, 0) != LUA_OK) {
    entry_unref(e);
    luaL_where(L, 1);
    if (lua_type(L, -2) == LUA_TSTRING) {
      lua_insert(L, -2);
      lua_concat(L, 2);
    } else {
      lua_pop(L, 1);
    }
    return lua_error(L);
  }
  return add(L, s, e, 2);
}

static int set_spawn(lua_State *L) { return spawn(L, RTHL_SPAWN); }
static int set_spawn_local(lua_State *L) {
  return spawn(L, RTHL_SPAWN_LOCAL);
}
static int set_spawn_blocking(lua_State *L) {
  return spawn(L, RTHL_BLOCKING);
}
static int set_spawn_with(lua_State *L) { return spawn(L, -1); }

/* ---- outcomes ----------------------------------------------------------- */

/* Pushes the outcome of the task of an entry, after its id where asked for. */
static int outcome(lua_State *L, rthL_State *S, Set *s, rth_msg_t *m,
                   int with_id) {
  lua_Integer id = (lua_Integer)((Entry *)(void *)m)->id;
  m->drop(m);
  s->n--;
  luaL_checkstack(L, 10, NULL);
  lua_getiuservalue(L, 1, 2);
  lua_pushnil(L);
  lua_rawseti(L, -2, id);
  lua_getiuservalue(L, 1, 1);
  lua_rawgeti(L, -1, id);
  lua_pushnil(L);
  lua_rawseti(L, -3, id);
  lua_replace(L, 1); /* the JoinHandle stands where its methods have it */
  lua_settop(L, 1);
  if (with_id) lua_pushinteger(L, id);
  return rthL_join_outcome(L, S) + with_id;
}

static rth_poll_t next_poll(rthL_WaitOp *o, const rth_waker_t *waker) {
  return rth_mpsc_recv_poll(o->core, &o->wait, waker, &o->message);
}

static int next_finish(lua_State *L, rthL_State *S, rthL_WaitOp *o) {
  if (o->result == RTH_FAILED) return rthL_raise(L, RTH_ESHUTDOWN);
  return outcome(L, S, lua_touserdata(L, 1), o->message, (int)o->n);
}

static int join_next(lua_State *L, int with_id) {
  static const rthL_WaitType type = {next_poll, next_finish, NULL,
                                     channel_free};
  Set *s = check(L);
  if (s->box.waiting != NULL)
    return luaL_error(L, "JoinSet is already awaited");
  lua_settop(L, 1);
  if (s->n == 0) {
    lua_pushnil(L);
    return 1;
  }
  return rthL_wait_on(L, rthL_here(L), &type, &s->box, (uint64_t)with_id,
                      NULL);
}

static int set_join_next(lua_State *L) { return join_next(L, 0); }
static int set_join_next_with_id(lua_State *L) { return join_next(L, 1); }

static int set_try_join_next(lua_State *L) {
  Set *s = check(L);
  rth_msg_t *m;
  if (s->box.waiting != NULL)
    return luaL_error(L, "JoinSet is already awaited");
  lua_settop(L, 1);
  if (s->n == 0 || rth_mpsc_try_recv(s->box.core, &m) != RTH_OK) {
    lua_pushnil(L);
    return 1;
  }
  return outcome(L, rthL_here(L), s, m, 0);
}

/* ---- all of them -------------------------------------------------------- */

static void abort_all(lua_State *L, rthL_State *S) {
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

/* No entry will come any more: the tasks are on their own. */
static void forget_all(lua_State *L, rthL_State *S, Set *s) {
  int top = lua_gettop(L), i;
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
  if (S->closing) return;
  for (i = 1; i <= 2; i++) {
    lua_newtable(L);
    lua_setiuservalue(L, 1, i);
  }
}

static int set_abort_all(lua_State *L) {
  (void)check(L);
  abort_all(L, rthL_here(L));
  return 0;
}

static int set_detach_all(lua_State *L) {
  Set *s = check(L);
  if (s->box.waiting != NULL)
    return luaL_error(L, "JoinSet is already awaited");
  forget_all(L, rthL_here(L), s);
  return 0;
}

/* Another task that waits in join_next sees the ends of all. */
static int set_leave(lua_State *L) {
  rthL_State *S = rthL_here(L);
  Set *s = check(L);
  abort_all(L, S);
  if (s->box.waiting == NULL) forget_all(L, S, s);
  return 0;
}

/* At the end of the state it cancels local tasks itself. */
static int set_gc(lua_State *L) {
  rthL_State *S = rthL_here(L);
  Set *s = lua_touserdata(L, 1);
  void *core = s->box.core;
  if (core == NULL) return 0;
  if (s->n > 0) {
    abort_all(L, S);
    forget_all(L, S, s);
  }
  s->box.core = NULL;
  if (s->box.waiting != NULL)
    s->box.waiting->box = NULL;
  else
    channel_free(core);
  return 0;
}

/* shutdown and join_all call join_next until it answers nil; a call may
** suspend, so this is the continuation, too.  The set is at index 1, the list
** of values (or nil: they do not matter) at 2. */
static int drain(lua_State *L, int status, lua_KContext called) {
  (void)status;
  for (;;) {
    if (called) {
      if (lua_isnil(L, 3)) {
        lua_settop(L, 2);
        return lua_isnil(L, 2) ? 0 : 1;
      }
      if (lua_istable(L, 2) && !lua_toboolean(L, 3)) {
        abort_all(L, rthL_here(L));
        lua_settop(L, 4);
        return lua_error(L);
      }
      if (lua_istable(L, 2)) {
        lua_settop(L, 4);
        lua_rawseti(L, 2, (lua_Integer)lua_rawlen(L, 2) + 1);
      }
    }
    lua_settop(L, 2);
    lua_getfield(L, 1, "join_next");
    lua_pushvalue(L, 1);
    lua_callk(L, 1, LUA_MULTRET, 1, drain);
    called = 1;
  }
}

static int set_shutdown(lua_State *L) {
  (void)check(L);
  abort_all(L, rthL_here(L));
  lua_settop(L, 1);
  lua_pushnil(L);
  return drain(L, LUA_OK, 0);
}

static int set_join_all(lua_State *L) {
  (void)check(L);
  lua_settop(L, 1);
  lua_newtable(L);
  return drain(L, LUA_OK, 0);
}

static int set_len(lua_State *L) {
  lua_pushinteger(L, check(L)->n);
  return 1;
}

static int set_tostring(lua_State *L) {
  lua_pushfstring(L, "rthandle.JoinSet(len=%I)", (LUAI_UACINT)check(L)->n);
  return 1;
}

void rthL_open_joinset(lua_State *L, rthL_State *S) {
  static const luaL_Reg meta[] = {{"__gc", set_gc},
                                  {"__close", set_leave},
                                  {"__len", set_len},
                                  {"__tostring", set_tostring},
                                  {NULL, NULL}};
  static const luaL_Reg methods[] = {
      {"spawn", set_spawn},
      {"spawn_local", set_spawn_local},
      {"spawn_blocking", set_spawn_blocking},
      {"spawn_with", set_spawn_with},
      {"join_next", set_join_next},
      {"join_next_with_id", set_join_next_with_id},
      {"try_join_next", set_try_join_next},
      {"join_all", set_join_all},
      {"abort_all", set_abort_all},
      {"shutdown", set_shutdown},
      {"detach_all", set_detach_all},
      {NULL, NULL}};
  static const luaL_Reg class[] = {{"new", set_new}, {NULL, NULL}};
  rthL_type(L, S, RTHL_JOINSET, "rthandle.JoinSet", meta, methods);
  lua_pop(L, 1);
  lua_newtable(L);
  rthL_setfuncs(L, S, class);
  lua_setfield(L, -2, "JoinSet");
}
