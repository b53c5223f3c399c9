/* lua_faults.h - lack of memory in a host program: every allocation of the
** Lua state, of the runtime's own states, of the binding and of the core fails
** once, and from each one on.  A script then works or gets an error; nothing
** is left behind, nobody hangs, and the process goes on.
**
** malloc, calloc and realloc are wrapped by the linker (see the Makefile). */
#ifndef LUA_FAULTS_H
#define LUA_FAULTS_H

#include <fcntl.h>
#include <limits.h>

#include "lua_host.h"

#include "base/atomic.h"

static RTH_ATOMIC(int) armed, passes, failed;
static RTH_ATOMIC(int) forever; /* all fail from there on; else one */

static int refuse(void) {
  if (!rth__load_acq(&armed)) return 0;
  if (rth__sub_ar(&passes, 1) > 0) return 0;
  if (!rth__load_acq(&forever) && rth__load_acq(&failed) > 0) return 0;
  (void)rth__add_ar(&failed, 1);
  return 1;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *old, size_t size);

void *__wrap_malloc(size_t size) {
  return refuse() ? NULL : __real_malloc(size);
}
void *__wrap_calloc(size_t n, size_t size) {
  return refuse() ? NULL : __real_calloc(n, size);
}
void *__wrap_realloc(void *old, size_t size) {
  return size > 0 && refuse() ? NULL : __real_realloc(old, size);
}

static void *allocate(void *ud, void *old, size_t osize, size_t nsize) {
  (void)ud;
  (void)osize;
  if (nsize > 0) return realloc(old, nsize);
  free(old);
  return NULL;
}

/* fail(): from here on; else it starts with the script. */
static int fail(lua_State *L) {
  (void)L;
  rth__store_rel(&armed, 1);
  return 0;
}

/* Lua says so where it had no memory to call a finalizer.  It never calls it
** again, so what that would have freed stays. */
static int skipped;
static void warned(void *ud, const char *text, int more) {
  (void)ud;
  (void)more;
  if (strstr(text, "__gc") != NULL) skipped++;
}

static int collects_always;

static lua_State *host(void) {
  lua_State *L = open_host(lua_newstate(allocate, NULL));
  lua_setwarnf(L, warned, NULL);
  if (collects_always) lua_gc(L, LUA_GCINC, 10, 1000, 5);
  lua_register(L, "fail", fail);
  return L;
}

/* Descriptors of this process. */
static int descriptors(void) {
  int fd, n = 0;
  for (fd = 0; fd < 256; fd++) n += fcntl(fd, F_GETFD) != -1;
  return n;
}

static int warm; /* libuv has opened what it keeps */

/* Answers whether the code ran through. */
static int run_once(const char *code, int n) {
  uint64_t live = rth_live_allocations();
  int open = descriptors();
  lua_State *L = host();
  int rc;
  skipped = 0;
  rc = luaL_loadstring(L, code);
  ASSERT_EQ(rc, LUA_OK);
  rth__store_rel(&failed, 0);
  rth__store_rel(&passes, n);
  rth__store_rel(&armed, strstr(code, "fail()") == NULL);
  rc = lua_pcall(L, 0, 0, 0);
  rth__store_rel(&armed, 0);
  if (rc != LUA_OK && rth__load_acq(&failed) == 0)
    HARNESS_FAIL("%s", lua_tostring(L, -1));
  lua_close(L);
  if (skipped == 0) {
    ASSERT_EQ(rth_live_allocations(), live);
    if (warm) ASSERT_EQ(descriptors(), open);
  }
  return rc == LUA_OK;
}

#define HEAD(options)                                            \
  "local rt <const> = require 'rthandle'\n"                      \
  "local sync <const> = rt.sync\n"                               \
  "local function nap() rt.yield_now() return 1 end\n"           \
  "local r <close> = rt.Runtime.new { " options                  \
  " unhandled_panic = 'ignore' }\n"                              \
  "if not r then error 'no runtime' end\n"                       \
  "r:block_on(function()\n"

#define CURRENT "flavor = 'current_thread',"

#define WHOLE HEAD(CURRENT)
#define STARTED HEAD(CURRENT) "fail()\n" /* states are open */
#define MULTI HEAD("worker_threads = 1,") "fail()\n"

/* One failure at each place, then failure from each place on. */
static void starve(const char *head, const char *body) {
  char code[8192];
  int n;
  TIME_LIMIT(200);
  snprintf(code, sizeof code, "%s%s\nend)\n", head, body);
  ASSERT(run_once(code, INT_MAX));
  warm = 1;
  for (n = 0; n < 2; n++) {
    int i, last = 0;
    rth__store_rel(&forever, n);
    for (i = 0; !last; i++) {
      (void)run_once(code, i);
      last = rth__load_acq(&failed) == 0;
      ASSERT_LT(i, 20000);
    }
  }
}

#endif
