/* lookup - names, for whatever needs an address.
**
** WHY      numbers are an answer at once; a name is a wait like any other, and
**          what is done with its addresses comes after it.
** THREADS  the one that runs the Lua state.
** OWNS     the operation has the question; when it is answered, a userdata on
**          the stack of the caller, for what comes then may raise or suspend.
*/
#include <stdlib.h>

#include "lua/enter.h"
#include "lua/net.h"

typedef struct LookupOp {
  rthL_Op op;
  rth_lookup_t *lookup;
  rthL_Found found;
  const rth_addr_t *list;
  size_t n;
  int rc;
} LookupOp;

static rth_poll_t lookup_poll(rthL_State *S, rthL_Op *op, rth_cx_t *cx) {
  LookupOp *o = (LookupOp *)op;
  (void)S;
  o->rc = rth_lookup_poll(o->lookup, cx, &o->list, &o->n);
  return o->rc == RTH_PENDING ? RTH_PENDING : RTH_READY;
}

static int lookup_cancel(rthL_State *S, rthL_Op *op, lua_State *to) {
  LookupOp *o = (LookupOp *)op;
  (void)S;
  (void)to;
  rth_lookup_free(o->lookup);
  free(o);
  return 0;
}

static int lookup_finish(lua_State *L, rthL_State *S, rthL_Op *op) {
  LookupOp o = *(LookupOp *)op;
  rth_lookup_t **keeper = lua_touserdata(L, -1);
  *keeper = o.lookup;
  free(op);
  return o.found(L, S, o.rc < 0 ? o.rc : 0, o.list, o.n);
}

static int keeper_gc(lua_State *L) {
  rth_lookup_t **keeper = lua_touserdata(L, 1);
  rth_lookup_free(*keeper);
  *keeper = NULL;
  return 0;
}

static int ask(lua_State *L, rthL_State *S, int arg, rthL_Found found) {
  static const rthL_OpType type = {lookup_poll, lookup_cancel, lookup_finish};
  const char *text = lua_tostring(L, arg);
  rth_handle_t *h;
  LookupOp *o;
  int rc;
  (void)rthL_new(L, S, RTHL_LOOKUP, sizeof(rth_lookup_t *), 0);
  h = rthL_checkcurrent(L, S);
  o = calloc(1, sizeof *o);
  rc = o != NULL ? rth_lookup_new(h, text, &o->lookup) : RTH_ENOMEM;
  if (rc != RTH_OK) {
    free(o);
    if (rc == RTH_EINVAL) return rthL_badaddr(L, arg);
    return found(L, S, rc, NULL, 0);
  }
  o->op.type = &type;
  o->found = found;
  return rthL_await(L, S, &o->op, h);
}

int rthL_resolve(lua_State *L, rthL_State *S, int arg, rthL_Found found) {
  rth_addr_t one;
  rth_handle_t *h = rthL_checkcurrent(L, S);
  if (rth_addr_parse(&one, lua_tostring(L, arg)) != 0)
    return ask(L, S, arg, found);
  lua_pushnil(L); /* in place of the keeper */
  return found(L, S, rth_handle_is_shutdown(h) ? RTH_ESHUTDOWN : 0, &one, 1);
}

/* ---- lookup_host -------------------------------------------------------- */

static int push_list(lua_State *L, rthL_State *S, int rc,
                     const rth_addr_t *list, size_t n) {
  size_t i;
  (void)S;
  if (rc != 0) return rthL_neterror(L, rc);
  lua_createtable(L, (int)n, 0);
  for (i = 0; i < n; i++) {
    rthL_pushaddr(L, &list[i]);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  return 1;
}

static int net_lookup_host(lua_State *L) {
  (void)rthL_checkaddr(L, 1);
  lua_settop(L, 1);
  return rthL_resolve(L, rthL_here(L), 1, push_list);
}

void rthL_open_lookup(lua_State *L, rthL_State *S) {
  static const luaL_Reg meta[] = {{"__gc", keeper_gc}, {NULL, NULL}};
  static const luaL_Reg functions[] = {{"lookup_host", net_lookup_host},
                                       {NULL, NULL}};
  rthL_type(L, S, RTHL_LOOKUP, "rthandle.Lookup", meta, NULL);
  lua_pop(L, 1);
  rthL_setfuncs(L, S, functions);
}
