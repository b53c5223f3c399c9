/* decode - a message into the values of another Lua state.
**
** WHY      In three passes over the objects, so that references may point
**          anywhere: make them all empty, fill them, set the metatables.
** THREADS  rthL_decode: of one Lua state, one at a time for a message.
**          rthL_message_free: any.
** OWNS     Core objects are the message's until `push` has made a userdata of
**          them.
** INVARIANT  Only what encode.c wrote is read, in this process: no bounds are
**          checked.  Everything made here is Lua's, so any call may raise.
**          `require` may run any code in between, even another decode: all
**          state is on the two stacks.
*/
#include <lauxlib.h>

#include "lua/mover.h"

enum {
  ON_STACK = 60,   /* so many objects are kept on the stack, more in a table */
  MAX_LOADED = 4096
};

typedef struct In {
  lua_State *L;
  rthL_Objects *msg;      /* NULL: it is flat */
  rthL_Mover *m;
  const unsigned char *p; /* next byte of main */
  int objs;               /* index of the table of objects, or of the first */
  int loaded;             /* index of RTHL_UV_LOADED */
} In;

static uint32_t get_u32(const unsigned char **p) {
  uint32_t v;
  memcpy(&v, *p, 4);
  *p += 4;
  return v;
}

/* ---- objects by number -------------------------------------------------- */

static void push_object(In *in, uint32_t id) {
  if (in->msg->nobjs <= ON_STACK)
    lua_pushvalue(in->L, in->objs + (int)id);
  else
    lua_rawgeti(in->L, in->objs, (lua_Integer)id + 1);
}

static void pop_object(In *in, uint32_t id) {
  if (in->msg->nobjs <= ON_STACK)
    lua_replace(in->L, in->objs + (int)id);
  else
    lua_rawseti(in->L, in->objs, (lua_Integer)id + 1);
}

/* ---- functions ---------------------------------------------------------- */

typedef struct Chunk {
  const rthL_Code *code;
  int done;
} Chunk;

static const char *reader(lua_State *L, void *data, size_t *n) {
  Chunk *c = (Chunk *)data;
  (void)L;
  *n = c->done ? 0 : c->code->len;
  c->done = 1;
  return *n != 0 ? (const char *)c->code->bytes : NULL;
}

/* Pushes a new closure.  Loading has set its first upvalue to the globals. */
static void load_code(In *in, const rthL_Code *code) {
  Chunk c = {code, 0};
  if (lua_load(in->L, reader, &c, "=moved", "b") != LUA_OK) lua_error(in->L);
}

/* Pushes this state's own instance of a function that captures nothing but
** the globals. */
static void push_instance(In *in, const rthL_Code *code) {
  lua_State *L = in->L;
  int i;
  if (lua_rawgeti(L, in->loaded, code->id) != LUA_TNIL) return;
  lua_pop(L, 1);
  load_code(in, code);
  for (i = 2; i <= code->facts.nup; i++) {
    lua_pushglobaltable(L);
    lua_setupvalue(L, -2, i);
  }
  lua_pushvalue(L, -1);
  lua_rawseti(L, in->loaded, code->id);
  in->m->nloaded++;
}

/* ---- values ------------------------------------------------------------- */

static void push_bytes(In *in, size_t n) {
  lua_pushlstring(in->L, (const char *)in->p, n);
  in->p += n;
}

#define GET(type, v) \
  type v;            \
  memcpy(&v, in->p, sizeof v); \
  in->p += sizeof v

static void push_value(In *in);

/* A few names over the globals. */
static void push_layer(In *in) {
  lua_State *L = in->L;
  uint32_t n = get_u32(&in->p);
  if (n == 0) {
    lua_pushglobaltable(L);
    return;
  }
  luaL_checkstack(L, 4, NULL);
  lua_createtable(L, 0, (int)n);
  for (; n > 0; n--) {
    push_value(in);
    push_value(in);
    lua_rawset(L, -3);
  }
  lua_createtable(L, 0, 1);
  lua_pushglobaltable(L);
  lua_setfield(L, -2, "__index");
  lua_setmetatable(L, -2);
}

static void fill_table(In *in, uint32_t narr, uint32_t nhash) {
  uint32_t i;
  for (i = 1; i <= narr; i++) {
    push_value(in);
    lua_rawseti(in->L, -2, (lua_Integer)i);
  }
  for (i = 0; i < nhash; i++) {
    push_value(in);
    push_value(in);
    lua_rawset(in->L, -3);
  }
}

/* The encoder bounds how deep they are. */
static void push_table(In *in) {
  unsigned narr = *in->p++, nhash = *in->p++;
  lua_createtable(in->L, (int)narr, (int)nhash);
  fill_table(in, narr, nhash);
}

static void push_value(In *in) {
  lua_State *L = in->L;
  switch (*in->p++) {
    case RTHL_T_NIL: lua_pushnil(L); break;
    case RTHL_T_FALSE: lua_pushboolean(L, 0); break;
    case RTHL_T_TRUE: lua_pushboolean(L, 1); break;
    case RTHL_T_INT8: lua_pushinteger(L, (signed char)*in->p++); break;
    case RTHL_T_INT: {
      GET(lua_Integer, i);
      lua_pushinteger(L, i);
      break;
    }
    case RTHL_T_FLOAT: {
      GET(lua_Number, d);
      lua_pushnumber(L, d);
      break;
    }
    case RTHL_T_STR8: {
      size_t n = *in->p++;
      push_bytes(in, n);
      break;
    }
    case RTHL_T_STR: {
      GET(size_t, n);
      push_bytes(in, n);
      break;
    }
    case RTHL_T_LIGHT: {
      GET(void *, p);
      lua_pushlightuserdata(L, p);
      break;
    }
    case RTHL_T_CFUNCTION: {
      GET(lua_CFunction, f);
      lua_pushcfunction(L, f);
      break;
    }
    case RTHL_T_GLOBALS: lua_pushglobaltable(L); break;
    case RTHL_T_TABLE: push_table(in); break;
    case RTHL_T_LAYER: push_layer(in); break;
    case RTHL_T_OBJECT: push_object(in, get_u32(&in->p)); break;
    case RTHL_T_CODE: push_instance(in, in->msg->codes[get_u32(&in->p)]); break;
    default: luaL_error(L, "message is broken");
  }
}

/* ---- the passes --------------------------------------------------------- */

static int clamp(uint32_t n) { return n > 1 << 28 ? 1 << 28 : (int)n; }

static void push_userdata(In *in, rthL_Ud *u) {
  u->ops->push(in->L, u->object);
  if (in->msg->many)
    u->ops->keep(u->object); /* the reference that the userdata has now */
  else
    u->object = NULL;
}

static void create_objects(In *in) {
  const unsigned char *c = in->msg->create;
  uint32_t id, a, b;
  for (id = 0; id < in->msg->nobjs; id++) {
    int kind = *c++;
    a = get_u32(&c);
    switch (kind) {
      case RTHL_O_TABLE:
        b = get_u32(&c);
        lua_createtable(in->L, clamp(a), clamp(b));
        break;
      case RTHL_O_FUNCTION: load_code(in, in->msg->codes[a]); break;
      case RTHL_O_NAME:
        rthL_names_push(in->L, (const char *)c, a);
        c += a;
        break;
      default: push_userdata(in, &in->msg->uds[a]);
    }
    pop_object(in, id);
  }
}

static void fill_function(In *in, int nup) {
  lua_State *L = in->L;
  int i, f = lua_gettop(L);
  for (i = 1; i <= nup; i++) {
    if (*in->p != RTHL_T_JOIN) {
      push_value(in);
      lua_setupvalue(L, f, i);
      continue;
    }
    in->p++;
    push_object(in, get_u32(&in->p));
    lua_upvaluejoin(L, f, i, f + 1, *in->p++);
    lua_pop(L, 1);
  }
}

static void fill_objects(In *in) {
  const unsigned char *c = in->msg->create;
  uint32_t id, a, b;
  in->p = in->msg->main + in->msg->values_end;
  for (id = 0; id < in->msg->nobjs; id++) {
    int kind = *c++;
    a = get_u32(&c);
    if (kind == RTHL_O_NAME) c += a;
    if (kind != RTHL_O_TABLE && kind != RTHL_O_FUNCTION) continue;
    push_object(in, id);
    if (kind == RTHL_O_TABLE) {
      b = get_u32(&c);
      fill_table(in, a, b);
    } else {
      fill_function(in, in->msg->codes[a]->facts.nup);
    }
    lua_pop(in->L, 1);
  }
}

static void set_metatables(In *in) {
  const unsigned char *c = in->msg->metas;
  uint32_t i;
  for (i = 0; i < in->msg->nmetas; i++) {
    uint32_t meta;
    push_object(in, get_u32(&c));
    meta = get_u32(&c);
    if (meta == RTHL_NONE)
      lua_pushglobaltable(in->L);
    else
      push_object(in, meta);
    lua_setmetatable(in->L, -2);
    lua_pop(in->L, 1);
  }
}

/* Makes room for the objects: *nslots stack slots from in->objs. */
static int open_objects(In *in) {
  uint32_t n = in->msg->nobjs;
  in->objs = lua_gettop(in->L) + 1;
  if (n > ON_STACK)
    lua_createtable(in->L, clamp(n), 0);
  else
    lua_settop(in->L, in->objs - 1 + (int)n);
  return n > ON_STACK ? 1 : (int)n;
}

static void open_loaded(In *in) {
  in->m = rthL_mover(in->L);
  if (in->m->nloaded > MAX_LOADED) {
    lua_createtable(in->L, 0, 0);
    lua_setiuservalue(in->L, -2, RTHL_UV_LOADED);
    in->m->nloaded = 0;
  }
  lua_getiuservalue(in->L, -1, RTHL_UV_LOADED);
  in->loaded = lua_gettop(in->L);
}

/* Leaves the objects, and what is needed to make them, on the stack; answers
** how many that are. */
static int push_objects(In *in) {
  int extra = 0;
  if (in->msg->ncodes > 0) {
    open_loaded(in);
    extra = 2;
  }
  if (in->msg->nobjs > 0) {
    extra += open_objects(in);
    create_objects(in);
    fill_objects(in);
    set_metatables(in);
  }
  in->p = in->msg->main;
  return extra;
}

int rthL_decode(lua_State *L, rthL_Message *msg) {
  In in = {L, NULL, NULL, (const unsigned char *)(msg + 1), 0, 0};
  int n = (int)msg->nvalues, i, base = lua_gettop(L), extra = 0;
  if (n > INT32_MAX / 2 || !lua_checkstack(L, n + ON_STACK + 20))
    luaL_error(L, "too many values to move (%d)", n);
  if (!msg->flat) {
    in.msg = rthL_objects(msg);
    extra = push_objects(&in);
  }
  for (i = 0; i < n; i++) push_value(&in);
  if (extra > 0) {
    lua_rotate(L, base + 1, n);
    lua_pop(L, extra);
  }
  return n;
}

/* ---- life of a message -------------------------------------------------- */

int rthL_message_plain(const rthL_Message *msg) {
  return msg->flat || ((const rthL_Objects *)(const void *)msg)->nuds == 0;
}

int rthL_message_wild(const rthL_Message *msg) { return msg->wild != 0; }

size_t rthL_message_size(const rthL_Message *msg) { return msg->size; }

/* Lets go of what travels with it. */
static void empty(rthL_Message *msg) {
  rthL_Objects *o = rthL_objects(msg);
  uint32_t i;
  if (msg->flat) return;
  for (i = 0; i < o->nuds; i++)
    if (o->uds[i].object != NULL) o->uds[i].ops->drop(o->uds[i].object);
  for (i = 0; i < o->ncodes; i++) rthL_code_drop(o->codes[i]);
  rthL_realloc(o->owned, 0);
}

static rthL_Message *message_of(rth_msg_t *m) {
  return (rthL_Message *)(void *)m;
}

void rthL_drop_block(rth_msg_t *m) {
  empty(message_of(m));
  rth_block_put(NULL, m);
}

void rthL_drop_message(rth_msg_t *m) {
  empty(message_of(m));
  rthL_realloc(m, 0);
}

void rthL_message_free(rthL_Message *msg) {
  if (msg != NULL) msg->head.drop(&msg->head);
}

void rthL_message_recycle(rthL_Message *msg, rth_blocks_t *blocks) {
  if (msg->head.drop == rthL_drop_block) {
    empty(msg);
    rth_block_put(blocks, msg);
  } else {
    rthL_message_free(msg);
  }
}
