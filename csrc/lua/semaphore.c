/* semaphore - rt.sync.Semaphore and its permits.
**
** WHY      the userdata of a permit is made before the wait for it: what the
**          core hands over then has a place, whatever happens.
** THREADS  the one that runs the Lua state; the semaphore: any.
** OWNS     a permit has its parcel, and that a reference to its semaphore.
*/
#include "lua/sync.h"

#include <stdlib.h>

RTHL_SHARED(sem, RTHL_SEMAPHORE, rth_semaphore_t, rth_semaphore_ref,
            rth_semaphore_unref);

/* What a permit holds, and what of it travels. */
typedef struct Parcel {
  rth_semaphore_t *s; /* NULL: nothing yet */
  uint64_t n;
} Parcel;

static void parcel_drop(void *object) {
  Parcel *p = object;
  if (p->s != NULL) {
    (void)!rth_semaphore_release(p->s, p->n); /* they were there before */
    rth_semaphore_unref(p->s);
  }
  free(p);
}

RTHL_MOVED(permit, RTHL_PERMIT, Parcel, parcel_drop, "Permit");

static rth_semaphore_t *check_sem(lua_State *L) {
  return rthL_checklive(L, rthL_here(L), RTHL_SEMAPHORE)->core;
}

/* ---- acquiring ---------------------------------------------------------- */

static Parcel *new_permit(lua_State *L, rthL_State *S) {
  rthL_Box *b = rthL_new(L, S, RTHL_PERMIT, sizeof *b, 0);
  b->core = calloc(1, sizeof(Parcel));
  if (b->core == NULL) rthL_raise(L, RTH_ENOMEM);
  return b->core;
}

static void fill(Parcel *p, rth_semaphore_t *s, uint64_t n) {
  p->s = rth_semaphore_ref(s);
  p->n = n;
}

static rth_poll_t acquire_poll(rthL_WaitOp *o, const rth_waker_t *waker) {
  rth_poll_t r = rth_semaphore_poll(o->core, o->n, &o->wait, waker);
  if (r == RTH_READY) fill(o->data, o->core, o->n);
  return r;
}

/* The semaphore is at index 1, the permit at index 2. */
static int acquire_finish(lua_State *L, rthL_State *S, rthL_WaitOp *o) {
  (void)S;
  if (o->shut) return rthL_raise(L, RTH_ESHUTDOWN);
  if (o->result == RTH_FAILED) return rthL_nil_and(L, "closed");
  lua_pushvalue(L, 2);
  return 1;
}

static uint64_t permits(lua_State *L) {
  return lua_isnoneornil(L, 2) ? 1 : rthL_checkcount(L, 2, 0);
}

/* Answers RTH_OK with the new permit at index 2 and on top. */
static int try_now(lua_State *L, rthL_State *S, rth_semaphore_t *s,
                   uint64_t n, Parcel **p) {
  int rc;
  lua_settop(L, 1);
  *p = new_permit(L, S);
  rc = rth_semaphore_try(s, n);
  if (rc == RTH_OK) fill(*p, s, n);
  return rc;
}

static int sem_acquire(lua_State *L) {
  static const rthL_WaitType type = {acquire_poll, acquire_finish, sem_keep,
                                     sem_let};
  rthL_State *S = rthL_here(L);
  rth_semaphore_t *s = check_sem(L);
  uint64_t n = permits(L);
  Parcel *p;
  if (rthL_may_try(S)) {
    int rc = try_now(L, S, s, n, &p);
    if (rc != RTH_EAGAIN) rthL_tried(S);
    if (rc == RTH_OK) return 1;
    if (rc == RTH_ECLOSED) return rthL_nil_and(L, "closed");
  } else {
    lua_settop(L, 1);
    p = new_permit(L, S);
  }
  return rthL_wait_on(L, S, &type, lua_touserdata(L, 1), n, p);
}

static int sem_try_acquire(lua_State *L) {
  rth_semaphore_t *s = check_sem(L);
  uint64_t n = permits(L);
  Parcel *p;
  int rc = try_now(L, rthL_here(L), s, n, &p);
  if (rc == RTH_OK) return 1;
  return rthL_nil_and(L, rc == RTH_EAGAIN ? "no permits" : "closed");
}

/* ---- the rest ----------------------------------------------------------- */

static int sem_add_permits(lua_State *L) {
  rth_semaphore_t *s = check_sem(L);
  uint64_t n = rthL_checkcount(L, 2, 0);
  if (rth_semaphore_release(s, n) != RTH_OK)
    return luaL_error(L, "the semaphore would have too many permits");
  return 0;
}

static int sem_available(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)rth_semaphore_available(check_sem(L)));
  return 1;
}

static int sem_close(lua_State *L) {
  rth_semaphore_close(check_sem(L));
  return 0;
}

static int sem_is_closed(lua_State *L) {
  lua_pushboolean(L, rth_semaphore_is_closed(check_sem(L)));
  return 1;
}

static int sync_semaphore(lua_State *L) {
  rthL_State *S = rthL_here(L);
  uint64_t n = rthL_checkcount(L, 1, 0);
  rthL_Box *b = rthL_new(L, S, RTHL_SEMAPHORE, sizeof *b, 0);
  rth_semaphore_t *s;
  int rc = rth_semaphore_new(n, &s);
  if (rc != RTH_OK) return rthL_sync_error(L, rc);
  b->core = s;
  return 1;
}

/* ---- Permit ------------------------------------------------------------- */

static rthL_Box *check_permit(lua_State *L) {
  rthL_Box *b = rthL_checkbox(L, rthL_here(L), RTHL_PERMIT);
  if (b->moved) luaL_error(L, "Permit was moved");
  return b;
}

static int permit_close(lua_State *L) {
  (void)check_permit(L);
  return permit_gc(L);
}

static int permit_forget(lua_State *L) {
  rthL_Box *b = check_permit(L);
  Parcel *p = b->core;
  if (p == NULL) return luaL_error(L, "the permit was released");
  b->core = NULL;
  rth_semaphore_unref(p->s);
  free(p);
  return 0;
}

static int permit_num(lua_State *L) {
  const Parcel *p = check_permit(L)->core;
  lua_pushinteger(L, p == NULL ? 0 : (lua_Integer)p->n);
  return 1;
}

void rthL_open_semaphore(lua_State *L, rthL_State *S) {
  static const luaL_Reg meta[] = {{"__gc", sem_gc}, {NULL, NULL}};
  static const luaL_Reg methods[] = {{"acquire", sem_acquire},
                                     {"try_acquire", sem_try_acquire},
                                     {"add_permits", sem_add_permits},
                                     {"available_permits", sem_available},
                                     {"close", sem_close},
                                     {"is_closed", sem_is_closed},
                                     {NULL, NULL}};
  static const luaL_Reg permit_meta[] = {
      {"__gc", permit_gc}, {"__close", permit_gc}, {NULL, NULL}};
  static const luaL_Reg permit_methods[] = {{"close", permit_close},
                                            {"forget", permit_forget},
                                            {"num_permits", permit_num},
                                            {NULL, NULL}};
  static const luaL_Reg functions[] = {{"Semaphore", sync_semaphore},
                                       {NULL, NULL}};
  rthL_type(L, S, RTHL_SEMAPHORE, "rthandle.Semaphore", meta, methods);
  rthL_set_move_ops(L, &sem_ops);
  rthL_type(L, S, RTHL_PERMIT, "rthandle.Permit", permit_meta,
            permit_methods);
  rthL_set_move_ops(L, &permit_ops);
  lua_pop(L, 2);
  rthL_setfuncs(L, S, functions);
}
