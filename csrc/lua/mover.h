/* mover.h - what one Lua state keeps for moving values, and what the files
** behind move.h share.
**
**   move.c       the doors: begin, encode, finish, raise
**   encode.c     values -> bytes
**   flat.c       the same for what is plain and small, the short way
**   decode.c     bytes -> values
**   code.c       Lua functions: dumped and judged once
**   names.c      what travels as module and keys
**   env.c        an _ENV that only passes on to the globals
**   sendcheck.c  refusals 1 to 4 of the contract
**   refuse.c     their wording, and the path to a value
**
** THE RULE OF THE ENCODER.  Its scratch memory is one for each Lua state, and
** a finalizer may encode, too.  So between begin and finish nothing is called
** that may run the garbage collector's finalizers: no API function that makes
** a Lua object.  Where one is needed (names of a new function, an index of
** new modules) it is made and the encoding starts anew: RTHL_AGAIN.  An error
** of memory that Lua raises in between leaves the scratch as it is; the next
** begin clears it.
*/
#ifndef RTHL_MOVER_H
#define RTHL_MOVER_H

#include <lua.h>

#include <stdio.h>

#include "lua/bytecode.h"
#include "lua/lalloc.h"
#include "lua/move.h"
#include "rthandle.h"
#include "rthandle_sync.h"

/* What the steps of the encoder answer. */
enum {
  RTHL_DONE = 0,
  RTHL_AGAIN = 1,   /* something was learnt: start anew */
  RTHL_REFUSED = 2, /* the message is in m->text */
  RTHL_NOMEM = 3
};

/* ---- code --------------------------------------------------------------- */

/* A dumped function.  Shared by messages and caches of any state; changed by
** none after it was made. */
typedef struct rthL_Code {
  rth_counter_t refs;
  int64_t id;   /* unique in the process, never used again */
  rthL_Facts facts; /* names point into bytes */
  uint8_t writes[256 / 8]; /* bit set: upvalues that it assigns */
  size_t len;
  unsigned char bytes[];
} rthL_Code;

void rthL_code_keep(rthL_Code *c);
void rthL_code_drop(rthL_Code *c); /* Thread: any */

static inline int rthL_code_writes(const rthL_Code *c, int up) {
  return (c->writes[up >> 3] >> (up & 7)) & 1;
}

/* What one state knows of a code.  Lives until the cache is flushed. */
typedef struct rthL_Entry {
  rthL_Code *code;          /* counted */
  struct rthL_Entry *next;  /* in its bucket */
  uint64_t hash;
  const void *last;         /* closure that was dumped last: maybe dead */
  const void **std;         /* for each fact: the standard value of the global
                               of that name; NULL before `names` is set */
  lua_Integer names;        /* rthL_UV_READS[names + i]: name of fact i; 0:
                               not made yet */
  uint64_t serial;          /* message that it was last put into, */
  uint32_t slot;            /* where in there, */
  const void *single;       /* and the closure that stands for it there */
} rthL_Entry;

/* ---- names -------------------------------------------------------------- */

typedef struct rthL_Name {
  const void *ptr;
  size_t path; /* in the arena: module, zero, key, zero, key … */
  uint32_t len;
  uint8_t depth, table;
} rthL_Name;

typedef struct rthL_Names {
  rthL_Map map; /* object -> index of v */
  rthL_Name *v;
  size_t n, cap;
  rthL_Buf arena;
  int stale; /* modules came since it was made */
} rthL_Names;

/* ---- the mover ---------------------------------------------------------- */

enum { /* user values of the mover */
  RTHL_UV_PENDING = 1, /* objects of the message being made, by number */
  RTHL_UV_CLOSURES,    /* weak: closure -> light userdata rthL_Entry */
  RTHL_UV_READS,       /* names of globals that functions read */
  RTHL_UV_STD,         /* name -> value of the standard globals */
  RTHL_UV_KNOWN,       /* the same, and what a start hook defined */
  RTHL_UV_LOADED,      /* code id -> function, here */
  RTHL_UV_ANCHORS,     /* keeps what rthL_Names points to */
  RTHL_UV_REQUIRE,
  RTHL_UV_LAST = RTHL_UV_REQUIRE
};

enum { /* kinds of objects */
  RTHL_O_TABLE = 1,
  RTHL_O_FUNCTION,
  RTHL_O_NAME,
  RTHL_O_USERDATA
};

typedef struct rthL_Object {
  union {
    rthL_Entry *entry;       /* FUNCTION */
    const rthL_Name *name;   /* NAME */
    const rthL_MoveOps *ops; /* USERDATA */
  } as;
  int32_t parent;     /* number of the object that holds it; < 0: it is root
                         value -1 - parent */
  uint8_t kind;
} rthL_Object;

typedef struct rthL_Mover {
  lua_State *L;  /* these four: of the encoding that goes on */
  int pending, closures, reads, globals, envs; /* stack indices */
  const void *globals_ptr;
  unsigned flags;        /* RTHL_COPY_CAPTURES … */
  rth_blocks_t *blocks;  /* where a small message comes from; NULL: malloc */
  const char *what;      /* of root values; NULL: a call */
  int first;             /* stack index of root value 0 */
  uint64_t serial;       /* of this try */
  int closed;
  /* scratch */
  rthL_Buf main, create, metas, dump;
  rthL_Map ids; /* object -> number; upvalue cell -> number << 8 | index */
  rthL_Object *objs;
  size_t nobjs, capobjs, npending, values_end;
  size_t nnames; /* objects that travel by name */
  rthL_Entry **codes; /* of this message */
  size_t ncodes, capcodes;
  uint32_t *uds;      /* numbers of its userdata */
  size_t nuds, capuds;
  struct { const void *ptr; rthL_Entry *e; } memo[8]; /* of this try */
  int share_env; /* somebody assigns an upvalue that holds the globals */
  char text[1200];
  /* caches */
  rthL_Entry **buckets;
  size_t nbuckets, nentries, entry_bytes;
  unsigned flushes;
  lua_Integer nreads, nloaded;
  rthL_Names names;
} rthL_Mover;

#define RTHL_NONE UINT32_MAX /* number of no object */

/* NULL: a userdata that may not travel. */
const rthL_MoveOps *rthL_move_ops(lua_State *L, int idx);

/* Pushes the mover's userdata; raises where there is none. */
rthL_Mover *rthL_mover(lua_State *L);

/* ---- code.c ------------------------------------------------------------- */

/* The entry of the Lua function at `idx`. */
int rthL_code_of(rthL_Mover *m, int idx, rthL_Entry **out);
/* Makes names and standard values of an entry's reads.  May run finalizers. */
int rthL_code_names(rthL_Mover *m, rthL_Entry *e);
/* Gives back everything if it has become much.  Outside of encodings. */
void rthL_code_trim(lua_State *L, rthL_Mover *m, int ud);
void rthL_code_flush(lua_State *L, rthL_Mover *m, int ud);
void rthL_code_free(rthL_Mover *m);
void rthL_code_selftest(lua_State *L);

/* ---- names.c ------------------------------------------------------------ */

/* NULL: it does not travel by name.  Only while !m->names.stale. */
const rthL_Name *rthL_name_of(const rthL_Mover *m, const void *ptr);
/* Makes the index anew.  May run finalizers. */
int rthL_names_make(lua_State *L, rthL_Mover *m);
/* Pushes what `path` means in this state.  Raises. */
void rthL_names_push(lua_State *L, const char *path, size_t len);
/* Once for a state: the standard names, the watch on package.loaded. */
void rthL_names_open(lua_State *L, rthL_Mover *m, int ud);
/* Takes all globals that there are now for known. */
void rthL_names_seal(lua_State *L, int ud);
/* Whether the global `name` with the value at top is one of the script's. */
int rthL_names_foreign(rthL_Mover *m, int name);

/* ---- encode.c ----------------------------------------------------------- */

int rthL_put_values(rthL_Mover *m, int n);
/* A value that is bytes and no object: the most that it takes; 0: it is none.
** Writes it; 0: it is none.  Neither allocates Lua memory. */
size_t rthL_plain_size(lua_State *L, int idx);
int rthL_put_plain(lua_State *L, rthL_Buf *b, int idx);
/* Forgets what a try has written. */
void rthL_encode_reset(rthL_Mover *m);
/* Lets go of the objects of a finished encoding. */
void rthL_encode_clear(rthL_Mover *m);
/* Gives the object at `idx` the next number. */
int rthL_add_object(rthL_Mover *m, int idx, const void *ptr, int kind,
                    int32_t parent);

/* ---- flat.c ------------------------------------------------------------- */

/* n values from `first` by the short way; NULL: they need the long one, or
** there is no memory.  Leaves the stack as it was. */
rthL_Message *rthL_encode_flat(lua_State *L, int first, int n,
                               rth_blocks_t *blocks);
/* Memory for a message, from `blocks` where one will do (NULL: there are
** none); `drop` and `size` are set.  NULL: no memory. */
rthL_Message *rthL_message_alloc(size_t size, rth_blocks_t *blocks);

/* ---- env.c -------------------------------------------------------------- */

/* For the table at `t`, in the upvalue `up` (from 0) with the name _ENV of a
** function with entry e.  Pushes a table of what it answers otherwise than
** the globals; or false: it is a captured table as any other.  Pushes nothing
** for other answers than RTHL_DONE.  May run the script's code. */
int rthL_env_layer(rthL_Mover *m, int t, rthL_Entry *e, int up);

static inline int rthL_is_env(const char *upvalue) {
  return upvalue != NULL && upvalue[0] == '_' && strcmp(upvalue, "_ENV") == 0;
}

/* ---- sendcheck.c -------------------------------------------------------- */

int rthL_check_call(rthL_Mover *m, int n);

/* ---- refuse.c ----------------------------------------------------------- */

/* `cannot move …: reason` for the value at the top of the stack, which object
** or root value `holder` holds.  Answers RTHL_REFUSED. */
int rthL_refuse_value(rthL_Mover *m, int32_t holder);
/* The same for the function at the top, whose dump makes no sense. */
int rthL_refuse_unreadable(rthL_Mover *m);
/* `cannot move function <…>, which …: it ` and so on for function `holder`;
** the rest as printf. */
int rthL_refuse_function(rthL_Mover *m, int32_t holder, const char *fmt, ...)
#if defined(__GNUC__)
    __attribute__((format(printf, 3, 4)))
#endif
    ;

/* ---- messages ----------------------------------------------------------- */

typedef struct rthL_Ud {
  const rthL_MoveOps *ops;
  void *object; /* NULL: it arrived */
} rthL_Ud;

/* Values that are bytes need no more than this, and are written behind it: a
** small one lies in one cache line. */
struct rthL_Message {
  rth_msg_t head; /* first: channels link messages by it */
  size_t size;    /* memory in all */
  uint32_t nvalues;
  uint8_t flat;   /* it is no rthL_Objects */
  uint8_t wild;   /* decoding it may run code that is not ours */
};

typedef struct rthL_Objects {
  rthL_Message m; /* first */
  const unsigned char *main;   /* the values, then what is in each object */
  rthL_Code **codes;
  rthL_Ud *uds;
  const unsigned char *metas;  /* pairs of numbers: object, metatable */
  const unsigned char *create; /* how to make each object */
  unsigned char *owned;        /* main, where it is a block of its own */
  size_t values_end;
  uint32_t nobjs, ncodes, nmetas, nuds;
  int many;                    /* its objects stay, for who decodes it next */
} rthL_Objects;

static inline rthL_Objects *rthL_objects(rthL_Message *m) {
  return (rthL_Objects *)(void *)m;
}

/* Their `drop`: of one in a block, and of others. */
void rthL_drop_block(rth_msg_t *m);
void rthL_drop_message(rth_msg_t *m);

enum { /* tags in main */
  RTHL_T_NIL, RTHL_T_FALSE, RTHL_T_TRUE, RTHL_T_INT8, RTHL_T_INT,
  RTHL_T_FLOAT, RTHL_T_STR8, RTHL_T_STR, RTHL_T_LIGHT, RTHL_T_GLOBALS,
  RTHL_T_OBJECT,   /* number */
  RTHL_T_CODE,     /* slot: the state's own instance of that code */
  RTHL_T_CFUNCTION,
  RTHL_T_TABLE,    /* (of flat.c) number of values, of pairs; then these */
  RTHL_T_LAYER,    /* count; then name and value of each: over the globals */
  RTHL_T_JOIN      /* (of an upvalue) number, index: shares that cell */
};

#endif
