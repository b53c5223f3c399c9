/* bytecode.h - what a dumped function of Lua 5.4 does to its upvalues.
**
** Knows the format of lua_dump, which is one and the same from 5.4.0 to 5.4.8,
** and nothing of the Lua API.
*/
#ifndef RTHL_BYTECODE_H
#define RTHL_BYTECODE_H

#include <stddef.h>
#include <stdint.h>

typedef enum rthL_FactKind {
  RTHL_ASSIGNS, /* the upvalue itself gets a new value */
  RTHL_STORES,  /* a value is stored into the table that the upvalue holds */
  RTHL_READS    /* a field with a constant name is read from it */
} rthL_FactKind;

typedef struct rthL_Fact {
  const char *name; /* the field: inside the dump; NULL: computed */
  size_t len;
  int line;         /* first such line; 0: the dump has no lines */
  uint8_t kind;
  uint8_t up;       /* upvalue of the dumped function, from 0 */
  uint8_t deep;     /* STORES: 0 into the upvalue's value itself, 1 into its
                       field "_G" (itself again, where it is the globals),
                       2 into something further inside */
} rthL_Fact;

typedef struct rthL_Facts {
  rthL_Fact *v; /* own: rthL_realloc(v, 0) */
  size_t n, cap;
  int nup;      /* upvalues of the function */
} rthL_Facts;

enum { RTHL_BC_NOMEM = -1, RTHL_BC_UNREADABLE = -2 };

/* Fills *f, which must be zeroed.  `name`s point into `dump`.  Each fact
** stands once for its kind, upvalue, depth and name.
** Answers 0 or a code above, *f then empty.  Thread: any. */
int rthL_bytecode_facts(const unsigned char *dump, size_t len, rthL_Facts *f);

#endif
