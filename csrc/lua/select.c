/* select - rt.select, rt.join, rt.try_join, and a token's run_until_cancelled.
**
** WHY      a branch is a fiber inside the operation that the caller waits for,
**          as the function of timeout is: part of the calling task, polled in
**          its poll, and cancelled as a task is where it loses.  An awaitable
**          is a branch that calls its `await`: cancelling that deregisters.
** THREADS  the one that runs the Lua state.
** OWNS     the operation has the fibers; the registry has the operation until
**          it is over.
*/
#include <string.h>

#include "lua/enter.h"
#include "lua/fiber.h"
#include "lua/sync.h"

typedef enum Mode { SELECT, JOIN, TRY_JOIN, UNTIL } Mode;

typedef struct Branch {
  rthL_Part part;
  int n;        /* values on top of its coroutine */
  rthL_Run run; /* WAITS: not ended yet */
} Branch;

/* Its userdata is at index 1 of the stack; SELECT: the keys in their order
** are in the table at 2, and the function for `default`, or nil, at 3.
** The first branches come in their order at each poll; the rest in turn, so
** that none uses up the budget of the poll every time. */
typedef struct Group {
  rthL_Op op;
  Mode mode;
  int n, ended;
  int kept;
  int ordered;    /* so many come in their order */
  unsigned turn;  /* which of the rest is next */
  int winner;     /* SELECT, UNTIL: who ended first; TRY_JOIN: who failed */
  int has_default;
  Branch branch[];
} Group;

/* ---- as an operation ---------------------------------------------------- */

static int is_over(Group *g, int i) {
  if (g->mode == SELECT || g->mode == UNTIL ||
      (g->mode == TRY_JOIN && g->branch[i].run == RTHL_FAILED)) {
    g->winner = i;
    return 1;
  }
  return ++g->ended == g->n;
}

static int in_turn(const Group *g, int k) {
  unsigned rest = (unsigned)(g->n - g->ordered);
  if (k < g->ordered) return k;
  return g->ordered + (int)(((unsigned)(k - g->ordered) + g->turn) % rest);
}

static rth_poll_t group_poll(rthL_State *S, rthL_Op *op, rth_cx_t *cx) {
  Group *g = (Group *)op;
  int i, k;
  for (k = 0; k < g->n; k++) {
    Branch *b;
    i = in_turn(g, k);
    b = &g->branch[i];
    if (b->run != RTHL_WAITS) continue;
    b->run = rthL_fiber_run(S, &b->part.fiber, cx, &b->n);
    if (b->run != RTHL_WAITS && is_over(g, i)) return RTH_READY;
  }
  g->turn++;
  return g->has_default ? RTH_READY : RTH_PENDING;
}

/* Cancels the branches that wait, and gives all back but `but`.  Answers 1
** where that failed: the last error is on top of `to`. */
static int end_others(rthL_State *S, Group *g, int but, lua_State *to) {
  int i, failed = 0;
  for (i = 0; i < g->n; i++) {
    Branch *b = &g->branch[i];
    if (i == but) continue;
    if (b->run != RTHL_ENDED &&
        rthL_fiber_cancel(S, &b->part.fiber, NULL, to)) {
      if (failed) lua_remove(to, -2);
      failed = 1;
    }
    rthL_fiber_release(S, &b->part.fiber);
  }
  return failed;
}

static int group_cancel(rthL_State *S, rthL_Op *op, lua_State *to) {
  Group *g = (Group *)op;
  int failed = end_others(S, g, -1, to);
  rthL_let_go(S, g->kept);
  return failed;
}

/* ---- how it ends -------------------------------------------------------- */

/* Raises the error of branch i, after all others were cancelled. */
static int raise_of(lua_State *L, rthL_State *S, Group *g, int i) {
  luaL_checkstack(L, 6, NULL);
  rthL_fiber_error(L, S, &g->branch[i].part.fiber);
  rthL_fiber_release(S, &g->branch[i].part.fiber);
  if (end_others(S, g, i, L)) lua_pop(L, 1); /* the first error counts */
  return lua_error(L);
}

/* Pushes the values of branch i; the others are cancelled. */
static int take(lua_State *L, rthL_State *S, Group *g, int i) {
  Branch *b = &g->branch[i];
  luaL_checkstack(L, 6, NULL);
  if (end_others(S, g, i, L)) {
    rthL_fiber_release(S, &b->part.fiber);
    return lua_error(L);
  }
  if (!lua_checkstack(L, b->n + 1)) {
    rthL_fiber_release(S, &b->part.fiber);
    return luaL_error(L, "too many results");
  }
  lua_xmove(b->part.fiber.co, L, b->n);
  rthL_fiber_release(S, &b->part.fiber);
  return b->n;
}

static int defaulted(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  (void)ctx;
  return lua_gettop(L) - 3;
}

static int select_finish(lua_State *L, rthL_State *S, Group *g) {
  int w = g->winner;
  lua_settop(L, 3);
  if (w < 0) {
    luaL_checkstack(L, 6, NULL);
    if (end_others(S, g, -1, L)) return lua_error(L);
    lua_pushliteral(L, "default");
    lua_pushvalue(L, 3);
    lua_callk(L, 0, LUA_MULTRET, 0, defaulted);
    return defaulted(L, LUA_OK, 0);
  }
  if (g->branch[w].run == RTHL_FAILED) return raise_of(L, S, g, w);
  lua_rawgeti(L, 2, w + 1);
  return take(L, S, g, w) + 1;
}

/* One list for each branch. */
static int join_finish(lua_State *L, rthL_State *S, Group *g) {
  int i, k;
  lua_settop(L, 1);
  for (i = 0; i < g->n; i++)
    if (g->branch[i].run == RTHL_FAILED) return raise_of(L, S, g, i);
  if (!lua_checkstack(L, g->n + 4)) {
    (void)end_others(S, g, -1, L);
    return luaL_error(L, "too many results");
  }
  for (i = 0; i < g->n; i++) {
    Branch *b = &g->branch[i];
    lua_State *co = b->part.fiber.co;
    lua_createtable(L, b->n, 1);
    for (k = b->n; k > 0; k--) {
      lua_xmove(co, L, 1);
      lua_rawseti(L, -2, k);
    }
    lua_pushinteger(L, b->n);
    lua_setfield(L, -2, "n");
    rthL_fiber_release(S, &b->part.fiber);
  }
  return g->n;
}

static int until_finish(lua_State *L, rthL_State *S, Group *g) {
  int w = g->winner, n;
  lua_settop(L, 1);
  if (g->branch[w].run == RTHL_FAILED) return raise_of(L, S, g, w);
  lua_pushboolean(L, w == 1);
  n = take(L, S, g, w);
  return w == 1 ? n + 1 : 1;
}

static int group_finish(lua_State *L, rthL_State *S, rthL_Op *op) {
  Group *g = (Group *)op;
  rthL_let_go(S, g->kept); /* the stack has it */
  switch (g->mode) {
    case SELECT: return select_finish(L, S, g);
    case UNTIL: return until_finish(L, S, g);
    default: return join_finish(L, S, g);
  }
}

/* ---- how it begins ------------------------------------------------------ */

/* Pushes a group with room for n branches. */
static Group *new_group(lua_State *L, Mode mode, int n) {
  static const rthL_OpType type = {group_poll, group_cancel, group_finish};
  size_t size = sizeof(Group) + (size_t)n * sizeof(Branch);
  Group *g = lua_newuserdatauv(L, size, 0);
  memset(g, 0, size);
  g->op.type = &type;
  g->mode = mode;
  g->winner = -1;
  return g;
}

/* What is from index `first` on becomes the next branch. */
static void add_branch(lua_State *L, rthL_State *S, Group *g, int first) {
  Branch *b = &g->branch[g->n];
  rthL_fiber_open(L, S, &b->part.fiber);
  b->part.fiber.part = 1;
  b->part.whole = S->cur;
  b->run = RTHL_WAITS;
  rthL_fiber_load(L, S, &b->part.fiber, first);
  g->n++;
}

/* No error may leave fibers behind: this is called in protected mode, with
** the group, and what each branch calls, on the stack. */
static int add_all(lua_State *L) {
  rthL_State *S = rthL_here(L);
  Group *g = lua_touserdata(L, 1);
  int i, n = lua_gettop(L);
  g->kept = rthL_keep(L, 1);
  for (i = 2; i <= n; i++) {
    int first = lua_gettop(L) + 1;
    luaL_checkstack(L, 6, NULL);
    lua_pushvalue(L, i);
    if (lua_type(L, i) != LUA_TFUNCTION) {
      lua_getfield(L, i, "await");
      lua_insert(L, first);
    }
    add_branch(L, S, g, first);
  }
  return 0;
}

/* The first branch waits for the token at index 2: where that is cancelled
** the function at index 3, with what follows, does not even begin. */
static int add_until(lua_State *L) {
  rthL_State *S = rthL_here(L);
  Group *g = lua_touserdata(L, 1);
  int first = lua_gettop(L) + 1;
  g->kept = rthL_keep(L, 1);
  g->ordered = 2;
  lua_getfield(L, 2, "cancelled");
  lua_pushvalue(L, 2);
  add_branch(L, S, g, first);
  add_branch(L, S, g, 3);
  return 0;
}

/* The group is at index 1; `add` makes branches of the k values on top. */
static int start(lua_State *L, rthL_State *S, Group *g, lua_CFunction add,
                 int k) {
  rth_handle_t *h = rthL_checkcurrent(L, S);
  luaL_checkstack(L, 4, NULL);
  lua_pushlightuserdata(L, S);
  lua_pushcclosure(L, add, 1);
  lua_insert(L, -(k + 1));
  lua_pushvalue(L, 1);
  lua_insert(L, -(k + 1));
  if (lua_pcall(L, k + 1, 0, 0) != LUA_OK) {
    (void)group_cancel(S, &g->op, L);
    return lua_error(L);
  }
  return rthL_await(L, S, &g->op, h);
}

/* Whether the value at the top is a function or an awaitable. */
static int is_awaitable(lua_State *L) {
  int type = lua_type(L, -1), good;
  if (type == LUA_TFUNCTION) return 1;
  if (type == LUA_TUSERDATA) {
    if (!luaL_getmetafield(L, -1, "__index")) return 0;
    lua_pop(L, 1);
  } else if (type != LUA_TTABLE) {
    return 0;
  }
  good = lua_getfield(L, -1, "await") == LUA_TFUNCTION;
  lua_pop(L, 1);
  return good;
}

/* ---- select ------------------------------------------------------------- */

/* The key at -2 and its branch at -1, of the table at 1: the branch stays on
** the stack as number k. */
static void add_key(lua_State *L, int k) {
  if (!is_awaitable(L)) {
    const char *type = luaL_typename(L, -1);
    const char *key = luaL_tolstring(L, -2, NULL);
    luaL_argerror(L, 1,
                  lua_pushfstring(L,
                                  "branch '%s': function or awaitable "
                                  "expected, got %s",
                                  key, type));
  }
  luaL_checkstack(L, 8, "too many branches");
  lua_pushvalue(L, -2);
  lua_rawseti(L, 2, k);
}

static int is_default(lua_State *L, int idx) {
  return lua_type(L, idx) == LUA_TSTRING &&
         strcmp(lua_tostring(L, idx), "default") == 0;
}

/* Pushes the branches with other keys than 1 to n.  Answers how many there
** are in all; k so far. */
static int add_named(lua_State *L, int n, int k) {
  lua_pushnil(L);
  while (lua_next(L, 1)) {
    int listed = lua_isinteger(L, -2) && lua_tointeger(L, -2) >= 1 &&
                 lua_tointeger(L, -2) <= n;
    if (listed || is_default(L, -2)) {
      lua_pop(L, 1);
    } else {
      add_key(L, ++k);
      lua_insert(L, -2); /* the branch, then the key for lua_next */
    }
  }
  return k;
}

static int free_select(lua_State *L) {
  rthL_State *S = rthL_here(L);
  int i, n, k = 0, listed;
  Group *g;
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  n = (int)lua_rawlen(L, 1);
  lua_newtable(L);
  lua_pushliteral(L, "default");
  lua_rawget(L, 1);
  if (!lua_isnil(L, 3) && !lua_isfunction(L, 3))
    luaL_argerror(L, 1, "default must be a function");
  for (i = 1; i <= n; i++) {
    lua_pushinteger(L, i);
    if (lua_rawgeti(L, 1, i) == LUA_TNIL) {
      lua_pop(L, 2);
    } else {
      add_key(L, ++k);
      lua_remove(L, -2);
    }
  }
  listed = k;
  k = add_named(L, n, k);
  if (k == 0 && lua_isnil(L, 3))
    luaL_argerror(L, 1, "select needs a branch: all branches are disabled "
                        "and there is no else branch");
  g = new_group(L, SELECT, k);
  g->ordered = listed;
  g->turn = (unsigned)(rth_now() >> 6); /* no order is promised */
  g->has_default = !lua_isnil(L, 3);
  lua_replace(L, 1);
  return start(L, S, g, add_all, k);
}

/* ---- join --------------------------------------------------------------- */

static int join(lua_State *L, Mode mode) {
  rthL_State *S = rthL_here(L);
  int i, n = lua_gettop(L);
  Group *g;
  if (n == 0) return 0;
  for (i = 1; i <= n; i++) {
    lua_pushvalue(L, i);
    if (!is_awaitable(L)) luaL_typeerror(L, i, "function or awaitable");
    lua_pop(L, 1);
  }
  g = new_group(L, mode, n);
  lua_insert(L, 1);
  return start(L, S, g, add_all, n);
}

static int free_join(lua_State *L) { return join(L, JOIN); }
static int free_try_join(lua_State *L) { return join(L, TRY_JOIN); }

int rthL_run_until_cancelled(lua_State *L) {
  rthL_State *S = rthL_here(L);
  int n = lua_gettop(L);
  Group *g;
  (void)rthL_checklive(L, S, RTHL_TOKEN);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  g = new_group(L, UNTIL, 2);
  lua_insert(L, 1);
  return start(L, S, g, add_until, n);
}

void rthL_open_select(lua_State *L, rthL_State *S) {
  static const luaL_Reg functions[] = {{"select", free_select},
                                       {"join", free_join},
                                       {"try_join", free_try_join},
                                       {NULL, NULL}};
  rthL_setfuncs(L, S, functions);
}
