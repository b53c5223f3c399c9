/* failure - what a failed task leaves, and the JoinError made of it.
**
** WHY      a task fails in one Lua state and is joined in another: what must
**          arrive is the error value, a line of text and the traceback of the
**          task itself, all of them apart from any state.
** THREADS  a failure is not changed after it was made; any thread reads it.
** OWNS     a failure is one counted allocation, text included, and its
**          message, which is decoded by each state that has a JoinError.
*/
#include "lua/failure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct JoinError {
  rthL_Failure *f;
} JoinError;

/* ---- failures ----------------------------------------------------------- */

#define NO_MEMORY(quiet) \
  {{1}, 0, NULL, {0}, "task panicked: not enough memory", "", "", 0, (quiet)}

/* Reported, and quiet: they are shared, so `quiet` cannot be set later. */
static rthL_Failure no_memory[] = {NO_MEMORY(0), NO_MEMORY(1)};

rthL_Failure *rthL_failure_nomemory(int quiet) {
  return &no_memory[quiet != 0];
}

void rthL_failure_free(rthL_Failure *f) {
  if (f == NULL || f == &no_memory[0] || f == &no_memory[1]) return;
  if (rth_counter_add(&f->refs, -1) > 0) return;
  rthL_message_free(f->value);
  free(f);
}

static rth_counter_t made, seen;

void rthL_failure_made(void) { (void)rth_counter_add(&made, 1); }
void rthL_failure_seen(void) { (void)rth_counter_add(&seen, 1); }

/* At most a tenth of the time, so that a storm of failures does not become one
** of collections. */
static uint64_t collect(rthL_State *S, uint64_t n) {
  uint64_t t0 = rth_now(), t1;
  if (t0 < S->look_after) return S->look_after;
  S->failures = n;
  S->ran = RTHL_REST;
  lua_gc(S->from, LUA_GCCOLLECT);
  t1 = rth_now();
  S->look_after = t1 + 9 * (t1 - t0);
  return RTH_FOREVER;
}

uint64_t rthL_look_for_failures(rthL_State *S) {
  uint64_t n = rth_counter_get(&made);
  if (n == S->failures || n == rth_counter_get(&seen)) return RTH_FOREVER;
  return collect(S, n);
}

/* A look that finds none makes the next one wait twice as long, up to this:
** a script that closes its senders pays next to nothing. */
static const uint64_t longest = UINT64_C(1000000000);

static void look_for_senders(rthL_State *S) {
  uint64_t before = S->dropped;
  if (collect(S, rth_counter_get(&made)) != RTH_FOREVER) return;
  if (S->dropped != before)
    S->patience = 0;
  else
    S->patience = S->patience == 0 ? 1000000 : 2 * S->patience;
  if (S->patience > longest) S->patience = longest;
  S->senders_after = rth_now() + S->patience;
}

/* Handles are dropped all the time: only a thread that rests looks for them. */
static void look_for_handles(rthL_State *S) {
  uint64_t now = rth_now();
  if (S->ran == RTHL_RAN) S->handles_after = now + longest;
  S->ran = RTHL_WAITED;
  if (now >= S->handles_after) (void)collect(S, rth_counter_get(&made));
}

/* The first time (rth_now) after both of these. */
static uint64_t later(uint64_t a, uint64_t b) { return a > b ? a : b; }

uint64_t rthL_look_for_dropped(rthL_State *S) {
  uint64_t again = rthL_look_for_failures(S), after = RTH_FOREVER;
  if (S->senders > 0 && S->ran != RTHL_REST) {
    if (rth_now() >= S->senders_after) look_for_senders(S);
    after = later(S->senders_after, S->look_after);
  }
  if (S->handles > 0 && S->ran != RTHL_REST) {
    uint64_t other;
    look_for_handles(S);
    other = later(S->handles_after, S->look_after);
    if (other < after) after = other;
  }
  if (S->ran == RTHL_REST) return again; /* it has looked */
  return after < again ? after : again;
}

/* What goes before a part of the text that may be empty. */
static const char *newline(const char *part) { return *part ? "\n" : ""; }

void rthL_failure_unseen(const rthL_Failure *f, int quiet) {
  if (!quiet)
    rthL_report("rthandle: %s%s%s%s%s\n", f->message, newline(f->rest),
                f->rest, newline(f->traceback), f->traceback);
  rthL_failure_seen();
}

/* One allocation with both texts; NULL: no memory. */
static rthL_Failure *failure_alloc(uint64_t id, const char *what,
                                   const char *traceback) {
  size_t m = strlen(what) + 1, t = strlen(traceback) + 1;
  rthL_Failure *f = malloc(sizeof *f + m + t);
  char *text, *end;
  if (f == NULL) return NULL;
  memset(f, 0, sizeof *f);
  rth_counter_set(&f->refs, 1);
  f->id = id;
  text = memcpy(f + 1, what, m);
  f->message = text;
  f->rest = text + m - 1;
  f->traceback = memcpy(text + m, traceback, t);
  end = strchr(text, '\n');
  if (end != NULL) {
    *end = '\0';
    f->rest = end + 1;
  }
  return f;
}

/* Pushes "task 7" or "task 7 (name)". */
static void push_task(lua_State *L, const rthL_Who *who) {
  if (who->name != NULL)
    lua_pushfstring(L, "task %I (%s)", (LUAI_UACINT)who->id, who->name);
  else
    lua_pushfstring(L, "task %I", (LUAI_UACINT)who->id);
}

/* Pushes the traceback, with a last line that says where the task came from. */
static const char *push_traceback(lua_State *L, int tb, const rthL_Who *who) {
  const char *s = lua_tostring(L, tb);
  if (s == NULL) s = "";
  if (who->where == NULL) return lua_pushstring(L, s);
  return lua_pushfstring(L, "%s%s(spawned at %s)", s, *s ? "\n\t" : "",
                         who->where);
}

static int text_of(lua_State *L) {
  if (lua_isstring(L, 1) || luaL_getmetafield(L, 1, "__tostring"))
    luaL_tolstring(L, 1, NULL);
  else
    lua_pushfstring(L, "(error object is a %s value)", luaL_typename(L, 1));
  return 1;
}

static void push_whole(lua_State *L, const rthL_Failure *f) {
  lua_pushfstring(L, "%s%s%s%s%s", f->message, newline(f->rest), f->rest,
                  newline(f->traceback), f->traceback);
}

/* Pushes what the error at `err` says.  Of a JoinError that is passed on, its
** traceback, too: it leads to where the fault is. */
static void push_text(lua_State *L, rthL_State *S, int err) {
  JoinError *e = rthL_to(L, S, err, RTHL_ERROR);
  if (e != NULL) {
    push_whole(L, e->f);
    return;
  }
  lua_pushcfunction(L, text_of);
  lua_pushvalue(L, err);
  if (lua_pcall(L, 1, 1, 0) != LUA_OK || lua_type(L, -1) != LUA_TSTRING) {
    lua_pop(L, 1);
    lua_pushfstring(L, "(error object is a %s value)", luaL_typename(L, err));
  }
}

rthL_Failure *rthL_failure_new(lua_State *L, rthL_State *S, int err, int tb,
                               const rthL_Who *who) {
  const char *text, *traceback;
  rthL_Message *value;
  rthL_Failure *f;
  luaL_checkstack(L, 6, NULL);
  traceback = push_traceback(L, tb, who);
  push_task(L, who);
  lua_pushliteral(L, " panicked: ");
  push_text(L, S, err);
  lua_concat(L, 3);
  text = lua_tostring(L, -1);
  value = rthL_encode_error(L, err);
  f = failure_alloc(who->id, text, traceback);
  if (f == NULL) {
    rthL_message_free(value);
    luaL_error(L, "not enough memory");
  }
  f->value = value;
  lua_pop(L, 2);
  return f;
}

rthL_Failure *rthL_failure_cancelled(lua_State *L, const rthL_Who *who) {
  rthL_Failure *f;
  push_task(L, who);
  lua_pushliteral(L, " was cancelled");
  lua_concat(L, 2);
  f = failure_alloc(who->id, lua_tostring(L, -1), "");
  lua_pop(L, 1);
  if (f == NULL) luaL_error(L, "not enough memory");
  f->cancelled = 1;
  return f;
}

rthL_Failure *rthL_failure_of(lua_State *L, rthL_State *S, rthL_Fiber *f,
                              const rthL_Who *who) {
  rthL_Failure *failure;
  int top = lua_gettop(L);
  luaL_checkstack(L, 8, NULL);
  rthL_traceback(L, f->co, 0); /* closing the coroutine takes it away */
  rthL_fiber_error(L, S, f);
  failure = rthL_failure_new(L, S, top + 2, top + 1, who);
  lua_remove(L, top + 1);
  return failure;
}

/* ---- JoinError ---------------------------------------------------------- */

/* Decodes the error value; its message where that is not possible here. */
static int decode_value(lua_State *L) {
  rthL_Failure *f = lua_touserdata(L, 1);
  rthL_Message *m = f->value;
  /* Objects travel once: who comes later takes the text for them. */
  if (m == NULL ||
      (rth_counter_add(&f->decoded, 1) > 1 && !rthL_message_plain(m)))
    lua_pushstring(L, f->message);
  else
    (void)rthL_decode(L, m);
  return 1;
}

rthL_Failure **rthL_newjoinerror(lua_State *L, rthL_State *S) {
  JoinError *e = rthL_new(L, S, RTHL_ERROR, sizeof *e, 1);
  e->f = &no_memory[0];
  lua_insert(L, -2);
  lua_setiuservalue(L, -2, 1);
  return &e->f;
}

void rthL_pushjoinerror(lua_State *L, rthL_State *S, rthL_Failure *f,
                        int has_value) {
  if (!has_value) {
    lua_pushcfunction(L, decode_value);
    lua_pushlightuserdata(L, f);
    (void)lua_pcall(L, 1, 1, 0); /* an error stands for the value */
  }
  *rthL_newjoinerror(L, S) = f;
}

static JoinError *check(lua_State *L) {
  return rthL_check(L, rthL_here(L), 1, RTHL_ERROR);
}

static int joinerror_is_panic(lua_State *L) {
  lua_pushboolean(L, !check(L)->f->cancelled);
  return 1;
}

static int joinerror_is_cancelled(lua_State *L) {
  lua_pushboolean(L, check(L)->f->cancelled);
  return 1;
}

static int joinerror_into_panic(lua_State *L) {
  JoinError *e = check(L);
  if (e->f->cancelled)
    return luaL_error(L, "JoinError reason is not a panic: %s",
                      e->f->message);
  lua_getiuservalue(L, 1, 1);
  return 1;
}

static int joinerror_id(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)check(L)->f->id);
  return 1;
}

static int joinerror_message(lua_State *L) {
  lua_pushstring(L, check(L)->f->message);
  return 1;
}

static int joinerror_tostring(lua_State *L) {
  push_whole(L, check(L)->f);
  return 1;
}

/* Methods are upvalue 2. */
static int joinerror_index(lua_State *L) {
  JoinError *e = check(L);
  const char *key = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
  if (strcmp(key, "traceback") == 0) {
    lua_pushstring(L, e->f->traceback);
  } else {
    lua_pushvalue(L, 2);
    lua_rawget(L, lua_upvalueindex(2));
  }
  return 1;
}

static int joinerror_gc(lua_State *L) {
  JoinError *e = rthL_check(L, rthL_here(L), 1, RTHL_ERROR);
  rthL_failure_free(e->f);
  e->f = &no_memory[0]; /* another finalizer may still look */
  return 0;
}

/* ---- a JoinError that is moved: both sides share the failure ------------ */

static void joinerror_keep(void *object) {
  rth_counter_add(&((rthL_Failure *)object)->refs, 1);
}

static void *joinerror_take(lua_State *L, int idx) {
  JoinError *e = lua_touserdata(L, idx);
  joinerror_keep(e->f);
  return e->f;
}

static void joinerror_push(lua_State *L, void *object) {
  rthL_pushjoinerror(L, rthL_find(L), object, 0);
}

static void joinerror_drop(void *object) { rthL_failure_free(object); }

void rthL_open_failure(lua_State *L, rthL_State *S) {
  static const luaL_Reg meta[] = {{"__gc", joinerror_gc},
                                  {"__tostring", joinerror_tostring},
                                  {NULL, NULL}};
  static const luaL_Reg methods[] = {
      {"is_panic", joinerror_is_panic},
      {"is_cancelled", joinerror_is_cancelled},
      {"into_panic", joinerror_into_panic},
      {"id", joinerror_id},
      {"message", joinerror_message},
      {NULL, NULL}};
  static const rthL_MoveOps ops = {NULL, joinerror_take, joinerror_push,
                                   joinerror_drop, joinerror_keep};
  rthL_type(L, S, RTHL_ERROR, "rthandle.JoinError", meta, methods);
  lua_pushlightuserdata(L, S);
  lua_getfield(L, -2, "__index");
  lua_pushcclosure(L, joinerror_index, 2);
  lua_setfield(L, -2, "__index");
  rthL_set_move_ops(L, &ops);
  lua_pop(L, 1);
}
