/* locks - rt.sync.Mutex and rt.sync.RwLock, and their guards.
**
** WHY      the value is a message, shared between the threads that read it:
**          each `get` decodes a private copy.  The guard is made before the
**          wait, so that a lock which is handed over always has an owner.
** THREADS  the one that runs the Lua state; the lock: any.
** OWNS     a guard has a reference to its lock.
*/
#include "lua/sync.h"

RTHL_SHARED(mutex, RTHL_MUTEX, rth_lock_t, rth_lock_ref, rth_lock_unref);
RTHL_SHARED(rwlock, RTHL_RWLOCK, rth_lock_t, rth_lock_ref, rth_lock_unref);

typedef struct Guard {
  rth_lock_t *lock; /* owned; NULL: not yet, or released */
  uint8_t mode;
} Guard;

/* ---- locking ------------------------------------------------------------ */

static void hold(Guard *g, rth_lock_t *l, rth_lock_mode_t mode) {
  g->lock = rth_lock_ref(l);
  g->mode = (uint8_t)mode;
}

static rth_poll_t lock_poll(rthL_WaitOp *o, const rth_waker_t *waker) {
  rth_lock_mode_t mode = (rth_lock_mode_t)o->n;
  rth_poll_t r = rth_lock_poll(o->core, mode, &o->wait, waker);
  if (r == RTH_READY) hold(o->data, o->core, mode);
  return r;
}

/* The lock is at index 1, the guard at index 2. */
static int lock_finish(lua_State *L, rthL_State *S, rthL_WaitOp *o) {
  (void)S;
  if (o->result == RTH_FAILED) return rthL_raise(L, RTH_ESHUTDOWN);
  lua_pushvalue(L, 2);
  return 1;
}

static int lock(lua_State *L, rthL_Type t, rth_lock_mode_t mode) {
  static const rthL_WaitType type = {lock_poll, lock_finish, mutex_keep,
                                     mutex_let};
  rthL_State *S = rthL_here(L);
  rthL_Box *b = rthL_checklive(L, S, t);
  Guard *g;
  lua_settop(L, 1);
  g = rthL_new(L, S, RTHL_LOCKGUARD, sizeof *g, 0);
  if (rthL_may_try(S) && rth_lock_try(b->core, mode) == RTH_OK) {
    rthL_tried(S);
    hold(g, b->core, mode);
    return 1;
  }
  return rthL_wait_on(L, S, &type, b, mode, g);
}

static int try_lock(lua_State *L, rthL_Type t, rth_lock_mode_t mode) {
  rthL_State *S = rthL_here(L);
  rthL_Box *b = rthL_checklive(L, S, t);
  Guard *g = rthL_new(L, S, RTHL_LOCKGUARD, sizeof *g, 0);
  if (rth_lock_try(b->core, mode) != RTH_OK)
    return rthL_nil_and(L, "locked");
  hold(g, b->core, mode);
  return 1;
}

static int mutex_lock(lua_State *L) {
  return lock(L, RTHL_MUTEX, RTH_LOCK_WRITE);
}
static int mutex_try_lock(lua_State *L) {
  return try_lock(L, RTHL_MUTEX, RTH_LOCK_WRITE);
}
static int rwlock_read(lua_State *L) {
  return lock(L, RTHL_RWLOCK, RTH_LOCK_READ);
}
static int rwlock_write(lua_State *L) {
  return lock(L, RTHL_RWLOCK, RTH_LOCK_WRITE);
}
static int rwlock_try_read(lua_State *L) {
  return try_lock(L, RTHL_RWLOCK, RTH_LOCK_READ);
}
static int rwlock_try_write(lua_State *L) {
  return try_lock(L, RTHL_RWLOCK, RTH_LOCK_WRITE);
}

/* ---- guards ------------------------------------------------------------- */

static Guard *check_guard(lua_State *L) {
  Guard *g = rthL_check(L, rthL_here(L), 1, RTHL_LOCKGUARD);
  if (g->lock == NULL) luaL_error(L, "the guard was released");
  return g;
}

static Guard *check_writer(lua_State *L) {
  Guard *g = check_guard(L);
  if (g->mode == RTH_LOCK_READ)
    luaL_error(L, "the guard of a read lock cannot store a value");
  return g;
}

/* Finalizers run while a value is made: one may store another meanwhile, or
** release the guard. */
static void push_value(lua_State *L, const Guard *g) {
  rthL_sync_push_shared(L, rth_msg_ref(rth_lock_get(g->lock)));
}

static void store(lua_State *L, const Guard *g, int idx) {
  rth_msg_t *m = rthL_sync_encode_shared(L, rthL_here(L), idx);
  if (g->lock != NULL) {
    rth_lock_set(g->lock, m);
    return;
  }
  if (m != NULL) m->drop(m);
  (void)check_guard(L); /* raises */
}

static int guard_get(lua_State *L) {
  push_value(L, check_guard(L));
  return 1;
}

static int guard_set(lua_State *L) {
  store(L, check_writer(L), 2);
  return 0;
}

/* What the function answered is at the top. */
static int updated(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  (void)ctx;
  store(L, check_writer(L), lua_gettop(L)); /* released meanwhile? */
  return 1;
}

static int guard_update(lua_State *L) {
  Guard *g = check_writer(L);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_settop(L, 2);
  push_value(L, g);
  lua_callk(L, 1, 1, 0, updated);
  return updated(L, LUA_OK, 0);
}

static int guard_release(lua_State *L) {
  Guard *g = lua_touserdata(L, 1);
  rth_lock_t *l = g->lock;
  g->lock = NULL;
  if (l == NULL) return 0;
  rth_lock_release(l, (rth_lock_mode_t)g->mode);
  rth_lock_unref(l);
  return 0;
}

static int guard_close(lua_State *L) {
  (void)rthL_check(L, rthL_here(L), 1, RTHL_LOCKGUARD);
  return guard_release(L);
}

/* ---- making ------------------------------------------------------------- */

static int make(lua_State *L, rthL_Type t,
                int (*new_lock)(rth_msg_t *, rth_lock_t **)) {
  rthL_State *S = rthL_here(L);
  rthL_Box *b = rthL_new(L, S, t, sizeof *b, 0);
  rth_msg_t *m;
  rth_lock_t *l;
  int rc;
  lua_insert(L, 1); /* the userdata; then the value, if any */
  m = lua_gettop(L) > 1 ? rthL_sync_encode_shared(L, S, 2) : NULL;
  rc = new_lock(m, &l);
  if (rc != RTH_OK) {
    if (m != NULL) m->drop(m);
    return rthL_sync_error(L, rc);
  }
  b->core = l;
  lua_settop(L, 1);
  return 1;
}

static int sync_mutex(lua_State *L) {
  return make(L, RTHL_MUTEX, rth_mutex_new);
}
static int sync_rwlock(lua_State *L) {
  return make(L, RTHL_RWLOCK, rth_rwlock_new);
}

void rthL_open_locks(lua_State *L, rthL_State *S) {
  static const luaL_Reg mutex_meta[] = {{"__gc", mutex_gc}, {NULL, NULL}};
  static const luaL_Reg mutex_methods[] = {
      {"lock", mutex_lock}, {"try_lock", mutex_try_lock}, {NULL, NULL}};
  static const luaL_Reg rwlock_meta[] = {{"__gc", rwlock_gc}, {NULL, NULL}};
  static const luaL_Reg rwlock_methods[] = {{"read", rwlock_read},
                                            {"write", rwlock_write},
                                            {"try_read", rwlock_try_read},
                                            {"try_write", rwlock_try_write},
                                            {NULL, NULL}};
  static const luaL_Reg guard_meta[] = {
      {"__gc", guard_release}, {"__close", guard_release}, {NULL, NULL}};
  static const luaL_Reg guard_methods[] = {{"get", guard_get},
                                           {"set", guard_set},
                                           {"update", guard_update},
                                           {"close", guard_close},
                                           {NULL, NULL}};
  static const luaL_Reg functions[] = {
      {"Mutex", sync_mutex}, {"RwLock", sync_rwlock}, {NULL, NULL}};
  rthL_type(L, S, RTHL_MUTEX, "rthandle.Mutex", mutex_meta, mutex_methods);
  rthL_set_move_ops(L, &mutex_ops);
  rthL_type(L, S, RTHL_RWLOCK, "rthandle.RwLock", rwlock_meta,
            rwlock_methods);
  rthL_set_move_ops(L, &rwlock_ops);
  rthL_type(L, S, RTHL_LOCKGUARD, "rthandle.LockGuard", guard_meta,
            guard_methods);
  lua_pop(L, 3);
  rthL_setfuncs(L, S, functions);
}
