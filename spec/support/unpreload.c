/* unpreload - preloaded behind a sanitizer: the programs that a test starts
** must not inherit the sanitizer, which many of them do not survive. */
#include <stdlib.h>

__attribute__((constructor)) static void unpreload(void) {
  unsetenv("LD_PRELOAD");
}
