/* sync - what the faces of channels and locks share: one operation for every
** wait, and values as messages.
**
** WHY      all waits of the core are one type, so one operation serves them
**          all; deregistering is one call, which loses nothing.
** THREADS  the one that runs the Lua state.
** OWNS     an operation has a reference to its object, or is the one user of
**          a receiver; and the message that it sends or has received.
*/
#include "lua/sync.h"

#include <stdlib.h>
#include <string.h>

#include "lua/enter.h"
#include "lua/handle.h"

/* ---- waiting ------------------------------------------------------------ */

/* Of the runtimes that this state made or waited in: one that nobody else
** drives comes first, since what is waited for may have to run there. */
static rth_handle_t *own_handle(const rthL_State *S) {
  rth_handle_t *h = NULL;
  const rthL_Executor *e;
  for (e = S->executors; e != NULL; e = e->next) {
    if (rth_handle_is_shutdown(e->handle)) continue;
    if (e->drive) return e->handle;
    if (h == NULL) h = e->handle;
  }
  return h;
}

rth_handle_t *rthL_wait_handle(lua_State *L, rthL_State *S) {
  rth_handle_t *h = rthL_current(S);
  rthL_Executor *e;
  int rc;
  if (h == NULL) h = own_handle(S);
  if (h != NULL) return h;
  h = rth_default_handle();
  if (h == NULL) return NULL;
  rc = rthL_executor_open(S, h, &e); /* keeps it; the wait needs it anyway */
  rth_handle_free(h);
  if (rc != RTH_OK) rthL_raise(L, rc);
  return e->handle;
}

static void release(rthL_WaitOp *o) {
  if (o->type->keep != NULL) {
    o->type->let(o->core);
  } else if (o->box != NULL) {
    o->box->waiting = NULL;
  } else {
    o->type->let(o->core);
  }
  free(o);
}

/* What only the end of the runtime could end, ends with it: plain code must
** not hang in its close. */
static rth_poll_t wait_poll(rthL_State *S, rthL_Op *op, rth_cx_t *cx) {
  rthL_WaitOp *o = (rthL_WaitOp *)op;
  (void)S;
  o->result = o->type->poll(o, &cx->waker);
  if (o->result != RTH_PENDING)
    return (o->result == RTH_FAILED || o->cancelled) && rthL_ends(cx)
               ? RTH_PENDING /* all who could give something have gone */
               : RTH_READY;
  if (!cx->root || !rth_handle_is_shutdown(cx->handle)) return RTH_PENDING;
  rth_wait_cancel(&o->wait);
  o->result = RTH_FAILED;
  o->shut = 1;
  return RTH_READY;
}

static int wait_cancel(rthL_State *S, rthL_Op *op, lua_State *to) {
  rthL_WaitOp *o = (rthL_WaitOp *)op;
  rth_msg_t *m = o->message;
  int counted = o->counted;
  (void)S;
  (void)to;
  rth_wait_cancel(&o->wait);
  release(o);
  if (counted)
    rth_msg_unref(m);
  else if (m != NULL)
    m->drop(m);
  return 0;
}

static int wait_finish(lua_State *L, rthL_State *S, rthL_Op *op) {
  rthL_WaitOp copy = *(rthL_WaitOp *)op;
  release((rthL_WaitOp *)op);
  return copy.type->finish(L, S, &copy);
}

rthL_WaitOp *rthL_wait_new(const rthL_WaitType *type, rthL_Box *box,
                           rth_handle_t *h) {
  static const rthL_OpType wait_op = {wait_poll, wait_cancel, wait_finish};
  rthL_WaitOp *o = calloc(1, sizeof *o);
  if (o == NULL) return NULL;
  o->op.type = &wait_op;
  o->type = type;
  o->handle = h;
  o->core = box->core;
  if (type->keep != NULL) {
    type->keep(o->core);
  } else {
    o->box = box;
    box->waiting = o;
  }
  return o;
}

/* Plain code that is in no runtime: has what is there, but cannot wait. */
static int now_or_never(lua_State *L, rthL_State *S, rthL_WaitOp *o) {
  static const rth_waker_t none = {NULL, NULL};
  o->result = o->type->poll(o, &none);
  if (o->result != RTH_PENDING) return wait_finish(L, S, &o->op);
  (void)wait_cancel(S, &o->op, L);
  return rthL_raise(L, RTH_ENOCONTEXT);
}

int rthL_wait(lua_State *L, rthL_State *S, rthL_WaitOp *o) {
  if (o->handle == NULL) return now_or_never(L, S, o);
  return rthL_await(L, S, &o->op, o->handle);
}

int rthL_wait_on(lua_State *L, rthL_State *S, const rthL_WaitType *type,
                 rthL_Box *box, uint64_t n, void *data) {
  rthL_WaitOp *o = rthL_wait_new(type, box, rthL_wait_handle(L, S));
  if (o == NULL) return rthL_raise(L, RTH_ENOMEM);
  o->n = n;
  o->data = data;
  return rthL_wait(L, S, o);
}

/* ---- messages ----------------------------------------------------------- */

static rth_msg_t *head_of(rthL_Message *m) { return (rth_msg_t *)(void *)m; }
static rthL_Message *message_of(rth_msg_t *m) {
  return (rthL_Message *)(void *)m;
}

rth_msg_t *rthL_sync_encode(lua_State *L, rthL_State *S, int idx) {
  if (lua_isnoneornil(L, idx)) luaL_argerror(L, idx, "nil may not be sent");
  return head_of(rthL_encode_value(L, idx, 0, &S->blocks));
}

rth_msg_t *rthL_sync_encode_shared(lua_State *L, rthL_State *S, int idx) {
  if (lua_isnoneornil(L, idx)) return NULL;
  return head_of(rthL_encode_value(L, idx, RTHL_MANY, &S->blocks));
}

static int decode(lua_State *L) {
  return rthL_decode(L, lua_touserdata(L, 1));
}

/* Decodes under protection, so that `m` can be released whatever happens. */
static int decode_safely(lua_State *L, rth_msg_t *m) {
  luaL_checkstack(L, 4, NULL);
  lua_pushcfunction(L, decode);
  lua_pushlightuserdata(L, m);
  return lua_pcall(L, 1, 1, 0);
}

static void recycle(rthL_State *S, rth_msg_t *m) {
  rthL_message_recycle(message_of(m), &S->blocks);
}

/* Only lack of memory can stop this one, so it goes without protection, and
** the state holds the message meanwhile.  A finalizer may receive, too: what
** it leaves behind is above this one. */
static void push_held(lua_State *L, rthL_State *S, rth_msg_t *m) {
  rth_msg_t *top;
  m->u.next = S->held;
  S->held = m;
  (void)rthL_decode(L, message_of(m));
  do {
    top = S->held;
    S->held = top->u.next;
    recycle(S, top);
  } while (top != m);
}

void rthL_sync_push(lua_State *L, rthL_State *S, rth_msg_t *m) {
  int rc;
  if (!rthL_message_wild(message_of(m))) {
    push_held(L, S, m);
    return;
  }
  rc = decode_safely(L, m);
  recycle(S, m);
  if (rc != LUA_OK) lua_error(L);
}

void rthL_sync_push_shared(lua_State *L, rth_msg_t *m) {
  int rc;
  if (m == NULL) {
    lua_pushnil(L);
    return;
  }
  rc = decode_safely(L, m);
  rth_msg_unref(m);
  if (rc != LUA_OK) lua_error(L);
}

void rthL_sync_copy(lua_State *L, rth_msg_t *m) {
  if (m == NULL)
    lua_pushnil(L);
  else
    (void)rthL_decode(L, message_of(m));
}

/* ---- small things ------------------------------------------------------- */

int rthL_nil_and(lua_State *L, const char *why) {
  lua_pushnil(L);
  lua_pushstring(L, why);
  return 2;
}

uint64_t rthL_checkcount(lua_State *L, int arg, lua_Integer min) {
  lua_Integer n = luaL_checkinteger(L, arg);
  if (n < min)
    luaL_argerror(L, arg, lua_pushfstring(L, "must be at least %I",
                                          (LUAI_UACINT)min));
  if ((uint64_t)n > RTH_MAX_PERMITS)
    luaL_argerror(L, arg, lua_pushfstring(L, "must be at most %I",
                                          (LUAI_UACINT)RTH_MAX_PERMITS));
  return (uint64_t)n;
}

rthL_Box *rthL_checkbox(lua_State *L, rthL_State *S, rthL_Type t) {
  return rthL_check(L, S, 1, t);
}

rthL_Box *rthL_checklive(lua_State *L, rthL_State *S, rthL_Type t) {
  rthL_Box *b = rthL_check(L, S, 1, t);
  if (b->core == NULL) {
    (void)luaL_getmetafield(L, 1, "__name");
    luaL_argerror(L, 1,
                  lua_pushfstring(L, "%s is finalized", lua_tostring(L, -1)));
  }
  return b;
}

rthL_Box *rthL_checkreceiver(lua_State *L, rthL_State *S, rthL_Type t) {
  rthL_Box *b = rthL_check(L, S, 1, t);
  if (b->moved) luaL_error(L, "Receiver was moved");
  if (b->waiting != NULL) luaL_error(L, "Receiver is already awaited");
  return b;
}

rthL_Box *rthL_newbox(lua_State *L, rthL_State *S, rthL_Type t) {
  rthL_Box *b = rthL_new(L, S, t, sizeof *b, 0);
  if (t == RTHL_SENDER || t == RTHL_ONESHOT_TX || t == RTHL_BROADCAST_TX ||
      t == RTHL_WATCH_TX) {
    b->counted = 1;
    S->senders++;
  }
  return b;
}

int rthL_sync_error(lua_State *L, int rc) { return rthL_raise(L, rc); }

void rthL_open_sync(lua_State *L, rthL_State *S) {
  lua_newtable(L);
  rthL_open_mpsc(L, S);
  rthL_open_oneshot(L, S);
  rthL_open_semaphore(L, S);
  rthL_open_locks(L, S);
  rthL_open_notify(L, S);
  rthL_open_broadcast(L, S);
  rthL_open_watch(L, S);
  rthL_open_once(L, S);
  lua_setfield(L, -2, "sync");
  rthL_open_token(L, S);
}
