/* bytecode - reads the format of lua_dump.
**
** WHY      A function that moves to another thread takes copies of what it
**          captures; what it stores there would be lost without a word.  The
**          compiler knows who stores, and its output is the only place where
**          a library can still see it.  Nothing of the interpreter's inside
**          is used: a dump is a documented answer of the API, and its format
**          did not change in 5.4.
** THREADS  any; no shared state.
** OWNS     A unit holds offsets into the dump and three arrays.
** INVARIANT  No byte is read outside the dump, whatever it says: every count
**          is checked against what is left.  Nesting ends at 200, which is
**          the compiler's own limit.
**
** FORMAT   signature, 0x54, 0x00, 19 93 0D 0A 1A 0A, sizes 4 8 8, int64
**          0x5678, double 370.5, number of upvalues, function.
**          size      base 128, most significant group first, the last byte
**                    has bit 7 set
**          string    size (0: none) plus one, then the bytes
**          function  source; linedefined, lastlinedefined; numparams,
**                    is_vararg, maxstack; code; constants; upvalues; nested
**                    functions; lineinfo; abslineinfo; locals; upvalue names
*/
#include "lua/bcread.h"

#include <string.h>

#include "lua/lalloc.h"

enum { MAX_NESTING = 200 };

typedef struct Reader {
  const unsigned char *p, *end;
  rthL_Unit *u;
  int err; /* sticky: RTHL_BC_* */
} Reader;

static void fail(Reader *r, int err) {
  if (r->err == 0) r->err = err;
  r->p = r->end; /* whatever is read next is not there */
}

static const unsigned char *take(Reader *r, size_t n) {
  const unsigned char *p = r->p;
  if ((size_t)(r->end - p) < n) {
    fail(r, RTHL_BC_UNREADABLE);
    return NULL;
  }
  r->p += n;
  return p;
}

static unsigned take_u8(Reader *r) {
  const unsigned char *p = take(r, 1);
  return p != NULL ? *p : 0;
}

static size_t take_size(Reader *r) {
  size_t x = 0;
  for (;;) {
    const unsigned char *p = take(r, 1);
    if (p == NULL) return 0;
    if (x > (SIZE_MAX >> 7)) {
      fail(r, RTHL_BC_UNREADABLE);
      return 0;
    }
    x = (x << 7) | (*p & 0x7f);
    if (*p & 0x80) return x;
  }
}

/* A count of things that take at least `each` bytes. */
static size_t take_count(Reader *r, size_t each) {
  size_t n = take_size(r);
  if (n > (size_t)(r->end - r->p) / each) {
    fail(r, RTHL_BC_UNREADABLE);
    return 0;
  }
  return n;
}

static int take_int(Reader *r) {
  size_t n = take_size(r);
  if (n > INT32_MAX) fail(r, RTHL_BC_UNREADABLE);
  return n > INT32_MAX ? 0 : (int)n;
}

static const char *take_string(Reader *r, size_t *len) {
  size_t n = take_size(r);
  const unsigned char *p;
  *len = 0;
  if (n == 0) return NULL;
  p = take(r, n - 1);
  if (p != NULL) *len = n - 1;
  return (const char *)p;
}

static void skip_string(Reader *r) {
  size_t len;
  (void)take_string(r, &len);
}

/* Room for `n` more elements of one of the unit's arrays. */
static void *room(Reader *r, void *v, size_t have, size_t *cap, size_t n,
                  size_t size) {
  void *p = rthL_grow(v, cap, have + n, size);
  if (p == NULL) fail(r, RTHL_BC_NOMEM);
  return p;
}

static void take_constant(Reader *r, rthL_Const *k) {
  unsigned tag = take_u8(r);
  k->s = NULL;
  k->len = 0;
  switch (tag) {
    case 0x00: case 0x01: case 0x11: break; /* nil, false, true */
    case 0x03: case 0x13: (void)take(r, 8); break; /* integer, float */
    case 0x04: case 0x14: k->s = take_string(r, &k->len); break;
    default: fail(r, RTHL_BC_UNREADABLE);
  }
}

static void take_constants(Reader *r, rthL_Proto *p) {
  rthL_Unit *u = r->u;
  size_t i, n = take_count(r, 1);
  void *v = room(r, u->consts, u->nconsts, &u->capconsts, n,
                 sizeof *u->consts);
  if (v == NULL) return;
  u->consts = (rthL_Const *)v;
  p->k = u->nconsts;
  p->nk = n;
  for (i = 0; i < n; i++) take_constant(r, &u->consts[p->k + i]);
  u->nconsts += n;
}

static size_t take_function(Reader *r, int depth);

static void take_nested(Reader *r, rthL_Proto *p, int depth) {
  rthL_Unit *u = r->u;
  size_t i, n = take_count(r, 1);
  void *v = room(r, u->kids, u->nkids, &u->capkids, n, sizeof *u->kids);
  if (v == NULL) return;
  u->kids = (uint32_t *)v;
  p->kid = u->nkids;
  p->nkids = n;
  u->nkids += n;
  for (i = 0; i < n; i++) {
    size_t id = take_function(r, depth + 1);
    if (r->err != 0) return;
    u->kids[p->kid + i] = (uint32_t)id; /* kids may have moved meanwhile */
  }
}

static void take_debug(Reader *r, rthL_Proto *p) {
  size_t i, n;
  p->nlineinfo = take_count(r, 1);
  p->lineinfo = take(r, p->nlineinfo);
  p->nabslines = take_count(r, 2);
  p->abslines = r->p;
  for (i = 0; i < p->nabslines; i++) {
    (void)take_size(r);
    (void)take_size(r);
  }
  n = take_count(r, 3); /* local variables: name, from, to */
  for (i = 0; i < n; i++) {
    skip_string(r);
    (void)take_size(r);
    (void)take_size(r);
  }
  n = take_count(r, 1); /* names of the upvalues */
  for (i = 0; i < n; i++) skip_string(r);
}

/* Appends one function and what is nested in it; answers its number. */
static size_t take_function(Reader *r, int depth) {
  rthL_Unit *u = r->u;
  rthL_Proto p;
  size_t id = u->nprotos;
  void *v;
  memset(&p, 0, sizeof p);
  v = room(r, u->protos, id, &u->capprotos, 1, sizeof p);
  if (depth > MAX_NESTING) fail(r, RTHL_BC_UNREADABLE);
  if (v == NULL || r->err != 0) return 0;
  u->protos = (rthL_Proto *)v;
  u->protos[id] = p; /* takes the number before the children do */
  u->nprotos++;
  skip_string(r);
  p.linedefined = take_int(r);
  (void)take_int(r);
  (void)take(r, 3);
  p.ncode = take_count(r, 4);
  p.code = take(r, p.ncode * 4);
  take_constants(r, &p);
  p.nup = (int)take_count(r, 3);
  if (p.nup > 255) fail(r, RTHL_BC_UNREADABLE);
  p.up = take(r, (size_t)p.nup * 3);
  take_nested(r, &p, depth);
  take_debug(r, &p);
  u->protos[id] = p;
  return id;
}

static void take_header(Reader *r) {
  static const unsigned char head[] = {
    0x1b, 'L', 'u', 'a', 0x54, 0x00, 0x19, 0x93, '\r', '\n', 0x1a, '\n',
    4, 8, 8
  };
  const int64_t i = 0x5678;
  const double d = 370.5;
  const unsigned char *p = take(r, sizeof head + 16);
  if (p == NULL) return;
  if (memcmp(p, head, sizeof head) != 0 ||
      memcmp(p + sizeof head, &i, 8) != 0 ||
      memcmp(p + sizeof head + 8, &d, 8) != 0)
    fail(r, RTHL_BC_UNREADABLE);
}

/* Whom a nested function assigns: known from the leaves upwards, and children
** have higher numbers than their parents. */
static void find_writers(rthL_Unit *u) {
  size_t id, pc, j;
  for (id = u->nprotos; id-- > 0;) {
    rthL_Proto *p = &u->protos[id];
    for (pc = 0; pc < p->ncode; pc++) {
      uint32_t i = rthL_bc(p, pc);
      if (BC_OP(i) == BC_SETUPVAL) rthL_bit_set(p->writes_up, BC_B(i));
    }
    for (j = 0; j < p->nkids; j++) {
      const rthL_Proto *kid = &u->protos[u->kids[p->kid + j]];
      unsigned n;
      for (n = 0; n < (unsigned)kid->nup; n++) {
        const unsigned char *up = kid->up + n * 3;
        if (!rthL_bit(kid->writes_up, n)) continue;
        rthL_bit_set(up[0] ? p->writes_reg : p->writes_up, up[1]);
      }
    }
  }
}

void rthL_bcread_free(rthL_Unit *u) {
  rthL_realloc(u->protos, 0);
  rthL_realloc(u->consts, 0);
  rthL_realloc(u->kids, 0);
  memset(u, 0, sizeof *u);
}

int rthL_bcread(const unsigned char *dump, size_t len, rthL_Unit *u) {
  Reader r = {dump, dump + len, u, 0};
  unsigned nup;
  memset(u, 0, sizeof *u);
  take_header(&r);
  nup = take_u8(&r);
  if (r.err == 0) (void)take_function(&r, 0);
  if (r.err == 0 && (r.p != r.end || u->protos[0].nup != (int)nup))
    r.err = RTHL_BC_UNREADABLE;
  if (r.err != 0)
    rthL_bcread_free(u);
  else
    find_writers(u);
  return r.err;
}

int rthL_bytecode_facts(const unsigned char *dump, size_t len, rthL_Facts *f) {
  rthL_Unit u;
  int err = rthL_bcread(dump, len, &u);
  if (err != 0) return err;
  f->nup = u.protos[0].nup;
  err = rthL_bcflow(&u, f);
  rthL_bcread_free(&u);
  if (err != 0) {
    rthL_realloc(f->v, 0);
    memset(f, 0, sizeof *f);
  }
  return err;
}
