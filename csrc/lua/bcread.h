/* bcread.h - a dumped function as a tree of prototypes; between bytecode.c
** (who reads the format) and bcflow.c (who follows the values). */
#ifndef RTHL_BCREAD_H
#define RTHL_BCREAD_H

#include "lua/bytecode.h"

typedef struct rthL_Const {
  const char *s; /* NULL: not a string */
  size_t len;
} rthL_Const;

typedef struct rthL_Proto {
  const unsigned char *code; /* ncode instructions of 4 bytes, unaligned */
  const unsigned char *up;   /* nup times instack, idx, kind */
  const unsigned char *lineinfo, *abslines;
  size_t ncode, nlineinfo, nabslines;
  size_t k, nk;              /* constants: consts[k .. k+nk-1] */
  size_t kid, nkids;         /* nested: protos[kids[kid .. kid+nkids-1]] */
  int nup, linedefined;
  uint8_t seen;              /* bcflow: it was followed */
  uint32_t writes_up[8];     /* bit sets: upvalues that it or a nested */
  uint32_t writes_reg[8];    /* function assigns; its registers that a nested
                                function assigns */
} rthL_Proto;

typedef struct rthL_Unit {
  rthL_Proto *protos; /* parents before their children; [0] is the root */
  rthL_Const *consts;
  uint32_t *kids;
  size_t nprotos, capprotos, nconsts, capconsts, nkids, capkids;
} rthL_Unit;

int rthL_bcread(const unsigned char *dump, size_t len, rthL_Unit *u);
void rthL_bcread_free(rthL_Unit *u);
int rthL_bcflow(rthL_Unit *u, rthL_Facts *f);

static inline void rthL_bit_set(uint32_t *set, unsigned i) {
  set[i >> 5] |= UINT32_C(1) << (i & 31);
}
static inline int rthL_bit(const uint32_t *set, unsigned i) {
  return (set[i >> 5] >> (i & 31)) & 1;
}

/* ---- instructions ------------------------------------------------------- */

enum { /* opcodes that matter here, by number */
  BC_MOVE = 0, BC_LOADI = 1, BC_LOADK = 3, BC_LOADKX = 4, BC_LFALSESKIP = 6,
  BC_LOADNIL = 8, BC_GETUPVAL = 9, BC_SETUPVAL = 10, BC_GETTABUP = 11,
  BC_GETTABLE = 12, BC_GETI = 13, BC_GETFIELD = 14, BC_SETTABUP = 15,
  BC_SETTABLE = 16, BC_SETI = 17, BC_SETFIELD = 18, BC_SELF = 20,
  BC_MMBIN = 46, BC_MMBINK = 48, BC_CLOSE = 54, BC_TBC = 55, BC_JMP = 56,
  BC_EQ = 57, BC_TEST = 66, BC_TESTSET = 67, BC_CALL = 68, BC_TAILCALL = 69,
  BC_RETURN = 70, BC_RETURN1 = 72, BC_FORLOOP = 73, BC_FORPREP = 74,
  BC_TFORPREP = 75, BC_TFORCALL = 76, BC_TFORLOOP = 77, BC_SETLIST = 78,
  BC_CLOSURE = 79, BC_VARARG = 80, BC_VARARGPREP = 81, BC_EXTRAARG = 82,
  BC_COUNT = 83
};

static inline uint32_t rthL_bc(const rthL_Proto *p, size_t pc) {
  const unsigned char *c = p->code + pc * 4;
  uint32_t i;
  __builtin_memcpy(&i, c, 4);
  return i;
}
#define BC_OP(i) ((i) & 0x7f)
#define BC_A(i) (((i) >> 7) & 0xff)
#define BC_K(i) (((i) >> 15) & 1)
#define BC_B(i) (((i) >> 16) & 0xff)
#define BC_C(i) ((i) >> 24)
#define BC_BX(i) ((i) >> 15)
#define BC_AX(i) ((i) >> 7)
#define BC_SJ(i) ((int32_t)((i) >> 7) - 16777215)

#endif
