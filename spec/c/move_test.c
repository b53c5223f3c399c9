/* move_test - values and functions that move between Lua states.
**
** The tests are the functions of spec/c/move_cases.lua.  Each runs in a
** process of its own with two new Lua states (see move_host.h) and must leave
** no memory and no core object behind.
**
**   move_test [WORD]    those with WORD in their name
**   move_test -d NAME   one, in this process
*/
#include "move_host.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static const char cases[] = "spec/c/move_cases.lua";

static int traceback(lua_State *L) {
  luaL_traceback(L, L, luaL_tolstring(L, 1, NULL), 1);
  return 1;
}

/* Runs case number i; 0: it passed. */
static int run(lua_Integer i) {
  int failed;
  alarm(240); /* it ends what hangs */
  host_open();
  lua_pushcfunction(here, traceback);
  failed = luaL_loadfile(here, cases) != LUA_OK ||
           lua_pcall(here, 0, 1, 1) != LUA_OK;
  if (!failed) {
    lua_rawgeti(here, -1, i);
    lua_rawgeti(here, -1, 2);
    failed = lua_pcall(here, 0, 0, 1) != LUA_OK;
  }
  if (failed) fprintf(stderr, "%s\n", lua_tostring(here, -1));
  host_fail = lua_fail = -1;
  host_close();
  if (!failed && host_live != 0)
    failed = fprintf(stderr, "%ld blocks of memory are left\n", host_live);
  if (!failed && host_things != 0)
    failed = fprintf(stderr, "%ld core objects are left\n", host_things);
  return failed;
}

static int run_apart(lua_Integer i, const char *name) {
  int status = 1;
  pid_t pid = fork();
  if (pid == 0) exit(run(i) != 0);
  if (pid < 0 || waitpid(pid, &status, 0) != pid) abort();
  if (status == 0) return 1;
  if (WIFSIGNALED(status))
    fprintf(stderr, "%s: %s\n", name, strsignal(WTERMSIG(status)));
  else
    fprintf(stderr, "%s: failed\n", name);
  return 0;
}

int main(int argc, char **argv) {
  const char *word = argc > 1 ? argv[argc - 1] : "";
  int debug = argc > 2 && strcmp(argv[1], "-d") == 0;
  int passed = 0, failed = 0;
  lua_Integer i;
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  if (luaL_dofile(L, cases) != LUA_OK) {
    fprintf(stderr, "%s\n", lua_tostring(L, -1));
    return 1;
  }
  for (i = 1; lua_rawgeti(L, 1, i) == LUA_TTABLE; i++) {
    const char *name;
    lua_rawgeti(L, -1, 1);
    name = lua_tostring(L, -1);
    if (strstr(name, word) != NULL) {
      if (debug) return run(i);
      if (run_apart(i, name)) passed++;
      else failed++;
    }
    lua_pop(L, 2);
  }
  lua_close(L);
  printf("%d passed, %d failed\n", passed, failed);
  return failed == 0 && passed > 0 ? 0 : 1;
}
