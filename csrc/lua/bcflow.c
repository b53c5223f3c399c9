/* bcflow - which upvalues a function assigns, stores into and reads by name,
** nested functions included.
**
** WHY      `local r = results; for i = 1, n do r[i] = i end` stores into a
**          captured table although no instruction names both.  So registers
**          are followed: from where an upvalue, or a field of it, is loaded,
**          through moves and nested captures, to the store.
**          A full data-flow analysis would know more at the meeting points
**          of branches.  This is one pass: at the target of a jump every
**          register is forgotten that may have been written between the jump
**          and the target, in whichever direction it goes.  What is not
**          followed: calls, `or`/`and`, values that were put into another
**          table first.
** THREADS  any; no shared state.
** INVARIANT  Followed at most once: each nested function.  So the time is
**          linear in the code but for the ranges of jumps.
*/
#include "lua/bcread.h"

#include <string.h>

#include "lua/lalloc.h"

enum {
  NOTHING, /* not known */
  CELL,    /* (of an upvalue) the root's upvalue `up` itself */
  TABLE,   /* the value of upvalue `up`, or at `deep` inside it */
  STRING   /* the constant `k` */
};

typedef struct Val {
  uint8_t kind, up, deep;
  uint32_t k;
} Val;

typedef struct Visit { /* a function still to follow */
  uint32_t proto;
  size_t ups; /* its upvalues: from[ups ..] */
} Visit;

typedef struct Flow {
  rthL_Unit *u;
  rthL_Facts *f;
  Visit *todo;
  Val *from;
  size_t ntodo, captodo, nfrom, capfrom;
  /* of the function being followed */
  rthL_Proto *p;
  const Val *ups;
  uint32_t *jump_lo, *jump_hi; /* for each instruction: the span of jumps that
                                  arrive there; lo > hi: none does */
  size_t capjumps;
  const unsigned char *abs;
  int line;
  Val reg[256];
  int err;
} Flow;

static const Val nothing;

/* ---- facts -------------------------------------------------------------- */

static int same_fact(const rthL_Fact *a, const rthL_Fact *b) {
  return a->kind == b->kind && a->up == b->up && a->deep == b->deep &&
         a->len == b->len && (a->name == NULL) == (b->name == NULL) &&
         (a->len == 0 || memcmp(a->name, b->name, a->len) == 0);
}

static void add_fact(Flow *w, rthL_FactKind kind, Val v, const rthL_Const *k) {
  rthL_Facts *f = w->f;
  rthL_Fact x;
  size_t i;
  void *p;
  memset(&x, 0, sizeof x);
  x.kind = (uint8_t)kind;
  x.up = v.up;
  x.deep = kind == RTHL_READS ? 0 : v.deep;
  x.line = w->line;
  if (k != NULL && k->s != NULL) {
    x.name = k->s;
    x.len = k->len;
  }
  for (i = 0; i < f->n; i++)
    if (same_fact(&f->v[i], &x)) {
      if (x.line < f->v[i].line) f->v[i].line = x.line;
      return;
    }
  p = rthL_grow(f->v, &f->cap, f->n + 1, sizeof x);
  if (p == NULL) {
    w->err = RTHL_BC_NOMEM;
    return;
  }
  f->v = (rthL_Fact *)p;
  f->v[f->n++] = x;
}

/* ---- values ------------------------------------------------------------- */

static const rthL_Const *constant(Flow *w, size_t i) {
  if (i >= w->p->nk) return NULL;
  return &w->u->consts[w->p->k + i];
}

static Val string_of(Flow *w, size_t i) {
  Val v = nothing;
  const rthL_Const *k = constant(w, i);
  if (k == NULL || k->s == NULL) return v;
  v.kind = STRING;
  v.k = (uint32_t)i;
  return v;
}

static const rthL_Const *key_in(Flow *w, Val v) {
  return v.kind == STRING ? constant(w, v.k) : NULL;
}

/* The value of upvalue i of the function being followed. */
static Val upvalue(Flow *w, unsigned i) {
  Val v = i < (unsigned)w->p->nup ? w->ups[i] : nothing;
  if (v.kind == CELL) v.kind = TABLE;
  return v;
}

/* t[k] is read. */
static Val field(Flow *w, Val t, const rthL_Const *k) {
  if (t.kind != TABLE) return nothing;
  if (k != NULL && k->s == NULL) k = NULL;
  if (t.deep < 2 && k != NULL) {
    add_fact(w, RTHL_READS, t, k);
    if (k->len == 2 && memcmp(k->s, "_G", 2) == 0) {
      t.deep = 1;
      return t;
    }
  }
  t.deep = 2;
  return t;
}

/* t[k] is stored. */
static void store(Flow *w, Val t, const rthL_Const *k) {
  if (t.kind == TABLE) add_fact(w, RTHL_STORES, t, k);
}

/* ---- what an instruction writes ----------------------------------------- */

static void forget(Val *reg, unsigned from, unsigned to) {
  for (; from <= to && from < 256; from++) reg[from] = nothing;
}

/* Forgets the registers that instruction `i` may change. */
static void forget_written(Val *reg, uint32_t i) {
  unsigned op = BC_OP(i), a = BC_A(i);
  switch (op) {
    case BC_SETUPVAL: case BC_SETTABUP: case BC_SETTABLE: case BC_SETI:
    case BC_SETFIELD: case BC_TBC: case BC_JMP: case BC_TEST: case BC_SETLIST:
    case BC_EXTRAARG: case BC_VARARGPREP: case BC_TFORPREP: break;
    case BC_LOADNIL: forget(reg, a, a + BC_B(i)); break;
    case BC_SELF: forget(reg, a, a + 1); break;
    case BC_FORLOOP: case BC_FORPREP: forget(reg, a, a + 3); break;
    case BC_TFORCALL: forget(reg, a + 4, 255); break;
    case BC_TFORLOOP: forget(reg, a + 2, a + 2); break;
    case BC_CALL: case BC_TAILCALL: case BC_VARARG:
      forget(reg, a, 255);
      break;
    default:
      if (op >= BC_MMBIN && op <= BC_MMBINK) {
        forget(reg, a, a); /* its result goes where the operation before it */
        break;             /* put it; A is read, but to forget is safe */
      }
      if (op == BC_CLOSE || (op >= BC_EQ && op < BC_TEST) ||
          (op >= BC_RETURN && op <= BC_RETURN1))
        break;
      forget(reg, a, a);
  }
}

/* ---- jumps -------------------------------------------------------------- */

/* Where instruction pc may go besides to the next; 0: nowhere. */
static size_t jump_target(const rthL_Proto *p, size_t pc) {
  uint32_t i = rthL_bc(p, pc);
  int64_t to;
  switch (BC_OP(i)) {
    case BC_JMP: to = (int64_t)pc + 1 + BC_SJ(i); break;
    case BC_FORLOOP: case BC_TFORLOOP:
      to = (int64_t)pc + 1 - BC_BX(i);
      break;
    case BC_FORPREP: to = (int64_t)pc + 2 + BC_BX(i); break;
    case BC_TFORPREP: to = (int64_t)pc + 1 + BC_BX(i); break;
    case BC_LFALSESKIP: to = (int64_t)pc + 2; break;
    default:
      if (BC_OP(i) < BC_EQ || BC_OP(i) > BC_TESTSET) return 0;
      to = (int64_t)pc + 2;
  }
  return to > 0 && to < (int64_t)p->ncode ? (size_t)to : 0;
}

static int find_jumps(Flow *w) {
  const rthL_Proto *p = w->p;
  size_t pc, n = p->ncode;
  if (n > UINT32_MAX) return RTHL_BC_UNREADABLE;
  if (n > w->capjumps || w->jump_lo == NULL) {
    uint32_t *v = (uint32_t *)rthL_realloc(w->jump_lo,
                                           (n + 1) * 2 * sizeof *v);
    if (v == NULL) return RTHL_BC_NOMEM;
    w->jump_lo = v;
    w->capjumps = n;
  }
  w->jump_hi = w->jump_lo + n;
  for (pc = 0; pc < n; pc++) {
    w->jump_lo[pc] = UINT32_MAX;
    w->jump_hi[pc] = 0;
  }
  for (pc = 0; pc < n; pc++) {
    size_t to = jump_target(p, pc);
    uint32_t lo = (uint32_t)(to < pc ? to : pc);
    uint32_t hi = (uint32_t)(to < pc ? pc : to);
    if (to == 0) continue;
    if (lo < w->jump_lo[to]) w->jump_lo[to] = lo;
    if (hi > w->jump_hi[to]) w->jump_hi[to] = hi;
  }
  return 0;
}

/* Control may arrive here from elsewhere.  A loop runs this instruction, too,
** before it comes back. */
static void meet(Flow *w, size_t pc) {
  size_t i, end = w->jump_hi[pc] > pc ? w->jump_hi[pc] + (size_t)1 : pc;
  for (i = w->jump_lo[pc]; i < end; i++)
    forget_written(w->reg, rthL_bc(w->p, i));
}

/* ---- lines -------------------------------------------------------------- */

static size_t abs_size(Flow *w) {
  size_t x = 0;
  do x = (x << 7) | (*w->abs & 0x7f);
  while (!(*w->abs++ & 0x80));
  return x;
}

static void step_line(Flow *w, size_t pc, size_t *nabs) {
  int d;
  if (pc >= w->p->nlineinfo) {
    w->line = 0;
    return;
  }
  d = (signed char)w->p->lineinfo[pc];
  if (d != -128) {
    w->line += d;
  } else if (*nabs < w->p->nabslines) {
    ++*nabs;
    (void)abs_size(w); /* the pc: markers and entries go in step */
    w->line = (int)abs_size(w);
  }
}

/* ---- following ---------------------------------------------------------- */

/* A nested function comes into being: it is followed later, with what its
** upvalues hold now. */
static void closure(Flow *w, uint32_t i) {
  const rthL_Proto *p = w->p;
  rthL_Proto *kid;
  size_t n;
  void *v;
  if (BC_BX(i) >= p->nkids) return;
  n = w->u->kids[p->kid + BC_BX(i)];
  kid = &w->u->protos[n];
  if (kid->seen) return;
  kid->seen = 1;
  v = rthL_grow(w->todo, &w->captodo, w->ntodo + 1, sizeof *w->todo);
  if (v != NULL) w->todo = (Visit *)v;
  if (v != NULL)
    v = rthL_grow(w->from, &w->capfrom, w->nfrom + (size_t)kid->nup + 1,
                  sizeof *w->from);
  if (v == NULL) {
    w->err = RTHL_BC_NOMEM;
    return;
  }
  w->ups = (Val *)v + (w->ups - w->from); /* it may have moved */
  w->from = (Val *)v;
  w->todo[w->ntodo].proto = (uint32_t)n;
  w->todo[w->ntodo++].ups = w->nfrom;
  for (n = 0; n < (size_t)kid->nup; n++) {
    const unsigned char *up = kid->up + n * 3;
    Val x = nothing;
    if (!up[0]) {
      if (up[1] < p->nup) x = w->ups[up[1]];
    } else {
      x = w->reg[up[1]]; /* never known if a nested function assigns it */
      if (x.kind != TABLE) x = nothing; /* constants are of this function */
    }
    w->from[w->nfrom++] = x;
  }
}

static void set(Flow *w, uint32_t i, Val v) {
  if (!rthL_bit(w->p->writes_reg, BC_A(i))) w->reg[BC_A(i)] = v;
}

static void step(Flow *w, size_t pc) {
  uint32_t i = rthL_bc(w->p, pc);
  unsigned a = BC_A(i), b = BC_B(i), c = BC_C(i);
  Val v = nothing, *reg = w->reg;
  switch (BC_OP(i)) {
    case BC_MOVE: v = reg[b]; break;
    case BC_LOADK: v = string_of(w, BC_BX(i)); break;
    case BC_LOADKX:
      if (pc + 1 < w->p->ncode) v = string_of(w, BC_AX(rthL_bc(w->p, pc + 1)));
      break;
    case BC_GETUPVAL: v = upvalue(w, b); break;
    case BC_GETTABUP: v = field(w, upvalue(w, b), constant(w, c)); break;
    case BC_GETFIELD: v = field(w, reg[b], constant(w, c)); break;
    case BC_GETTABLE: v = field(w, reg[b], key_in(w, reg[c])); break;
    case BC_GETI: v = field(w, reg[b], NULL); break;
    case BC_SELF:
      (void)field(w, reg[b], BC_K(i) ? constant(w, c) : key_in(w, reg[c]));
      break;
    case BC_SETUPVAL:
      if (b < (unsigned)w->p->nup && w->ups[b].kind == CELL)
        add_fact(w, RTHL_ASSIGNS, w->ups[b], NULL);
      break;
    case BC_SETTABUP: store(w, upvalue(w, a), constant(w, b)); break;
    case BC_SETFIELD: store(w, reg[a], constant(w, b)); break;
    case BC_SETTABLE: store(w, reg[a], key_in(w, reg[b])); break;
    case BC_SETI: store(w, reg[a], NULL); break;
    case BC_CLOSURE: closure(w, i); break;
    default: break;
  }
  forget_written(reg, i);
  if (v.kind != NOTHING) set(w, i, v);
}

static int follow(Flow *w, Visit at) {
  size_t pc, nabs = 0;
  w->p = &w->u->protos[at.proto];
  w->ups = w->from + at.ups;
  w->abs = w->p->abslines;
  w->line = w->p->linedefined;
  memset(w->reg, 0, sizeof w->reg);
  w->err = find_jumps(w);
  for (pc = 0; pc < w->p->ncode && w->err == 0; pc++) {
    if (BC_OP(rthL_bc(w->p, pc)) >= BC_COUNT) return RTHL_BC_UNREADABLE;
    step_line(w, pc, &nabs);
    meet(w, pc);
    step(w, pc);
  }
  return w->err;
}

static int start(Flow *w) {
  int i, n = w->u->protos[0].nup;
  w->todo = (Visit *)rthL_grow(NULL, &w->captodo, 1, sizeof *w->todo);
  w->from = (Val *)rthL_grow(NULL, &w->capfrom, (size_t)n + 1,
                             sizeof *w->from);
  if (w->todo == NULL || w->from == NULL) return RTHL_BC_NOMEM;
  memset(w->from, 0, (size_t)n * sizeof *w->from);
  for (i = 0; i < n; i++) {
    w->from[i].kind = CELL;
    w->from[i].up = (uint8_t)i;
  }
  w->nfrom = (size_t)n;
  memset(&w->todo[0], 0, sizeof w->todo[0]);
  w->ntodo = 1;
  return 0;
}

int rthL_bcflow(rthL_Unit *u, rthL_Facts *f) {
  Flow w;
  size_t i;
  int err;
  memset(&w, 0, sizeof w);
  w.u = u;
  w.f = f;
  err = start(&w);
  for (i = 0; i < w.ntodo && err == 0; i++) err = follow(&w, w.todo[i]);
  rthL_realloc(w.todo, 0);
  rthL_realloc(w.from, 0);
  rthL_realloc(w.jump_lo, 0);
  return err;
}
