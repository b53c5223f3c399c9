/* bytecode_fuzz - the reader of dumped functions under libFuzzer:
**
**   clang -g -O1 -fsanitize=fuzzer,address,undefined -Icsrc \
**     spec/fuzz/bytecode_fuzz.c csrc/lua/bytecode.c csrc/lua/bcflow.c \
**     csrc/lua/lalloc.c -o build/bytecode_fuzz
**   build/bytecode_fuzz -max_total_time=60 build/corpus
**
** The folder build/corpus holds some files made by luac5.4 to begin with.
*/
#include "lua/bytecode.h"
#include "lua/lalloc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  rthL_Facts f;
  size_t i, sum = 0;
  memset(&f, 0, sizeof f);
  if (rthL_bytecode_facts(data, size, &f) != 0) return 0;
  for (i = 0; i < f.n; i++) { /* every name lies inside the dump */
    const rthL_Fact *x = &f.v[i];
    if (x->up >= f.nup) __builtin_trap();
    for (size_t k = 0; k < x->len; k++) sum += (unsigned char)x->name[k];
  }
  rthL_realloc(f.v, 0);
  return sum == 1 ? 0 : 0;
}
