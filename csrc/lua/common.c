/* common - helpers without state of their own.
**
** WHY      one binary serves all of Lua 5.4: closing a thread has three forms
**          in its releases, so it is looked up when the module is loaded.
*/
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lua/state.h"

/* From 5.4.6 on; a weak reference is NULL before. */
extern int lua_closethread(lua_State *L, lua_State *from)
    __attribute__((weak));

int rthL_closethread(lua_State *co, lua_State *from) {
  /* 5.4.5 gave lua_resetthread a second argument, which the other releases
  ** do not look at. */
  union {
    int (*declared)(lua_State *);
    int (*called)(lua_State *, lua_State *);
  } reset;
  if (lua_closethread != NULL) return lua_closethread(co, from);
  reset.declared = lua_resetthread;
  return reset.called(co, from);
}

/* One write, unless the system takes less. */
static void write_all(const char *p, size_t left) {
  while (left > 0) {
    ssize_t done = write(STDERR_FILENO, p, left);
    if (done <= 0) return;
    p += done;
    left -= (size_t)done;
  }
}

void rthL_report(const char *format, ...) {
  char small[2048], *text = small;
  va_list args;
  int n;
  va_start(args, format);
  n = vsnprintf(small, sizeof small, format, args);
  va_end(args);
  if (n < 0) return;
  if ((size_t)n >= sizeof small && (text = malloc((size_t)n + 1)) != NULL) {
    va_start(args, format);
    n = vsnprintf(text, (size_t)n + 1, format, args);
    va_end(args);
  }
  if (text == NULL) { /* no memory: what there is place for */
    text = small;
    n = sizeof small - 1;
    small[n - 1] = '\n';
  }
  write_all(text, (size_t)n);
  if (text != small) free(text);
}

int rthL_raise(lua_State *L, int code) {
  if (code == RTH_ENOMEM) return luaL_error(L, "not enough memory");
  return luaL_error(L, "%s", rth_strerror(code));
}

/* ---- unknown names ------------------------------------------------------ */

/* Letters to insert, delete or change to get from a to b. */
static int distance(const char *a, const char *b) {
  int row[40], i, j, n = (int)strlen(b);
  for (j = 0; j <= n; j++) row[j] = j;
  for (i = 1; a[i - 1] != '\0'; i++) {
    int corner = row[0];
    row[0] = i;
    for (j = 1; j <= n; j++) {
      int change = corner + (a[i - 1] != b[j - 1]);
      int least = row[j] < row[j - 1] ? row[j] + 1 : row[j - 1] + 1;
      corner = row[j];
      row[j] = change < least ? change : least;
    }
  }
  return row[n];
}

int rthL_unknown(lua_State *L, const char *what, const char *key,
                 const void *names, size_t size, int n) {
  const char *name, *best = NULL;
  int least = 3 + (int)strlen(key) / 5, i;
  if (strlen(key) < 64)
    for (i = 0; i < n; i++) {
      int d;
      memcpy(&name, (const char *)names + (size_t)i * size, sizeof name);
      d = distance(key, name);
      if (d < least) {
        least = d;
        best = name;
      }
    }
  if (best != NULL)
    return luaL_error(L, "unknown %s option '%s' (did you mean '%s'?)", what,
                      key, best);
  return luaL_error(L, "unknown %s option '%s'", what, key);
}

uint64_t rthL_checkseconds(lua_State *L, int arg) {
  lua_Number s = luaL_checknumber(L, arg);
  luaL_argcheck(L, s >= 0, arg, "seconds must be a number from 0");
  if (s > 9e9) return RTH_FOREVER; /* later than any clock goes */
  return (uint64_t)(s * 1e9 + 0.5);
}

void rthL_pushseconds(lua_State *L, uint64_t ns) {
  lua_pushnumber(L, ns == RTH_FOREVER ? (lua_Number)HUGE_VAL
                                      : (lua_Number)ns / 1e9);
}

/* ---- traceback ---------------------------------------------------------- */

enum { FIRST = 12, LAST = 11 }; /* levels shown of a deep stack */

static void add_frame(lua_State *L, luaL_Buffer *b, lua_Debug *ar) {
  if (ar->currentline > 0)
    lua_pushfstring(L, "\n\t%s:%d: in ", ar->short_src, ar->currentline);
  else
    lua_pushfstring(L, "\n\t%s: in ", ar->short_src);
  luaL_addvalue(b);
  if (*ar->namewhat == 'g') /* global */
    lua_pushfstring(L, "function '%s'", ar->name);
  else if (*ar->namewhat != '\0')
    lua_pushfstring(L, "%s '%s'", ar->namewhat, ar->name);
  else if (*ar->what == 'm')
    lua_pushliteral(L, "main chunk");
  else if (*ar->what != 'C')
    lua_pushfstring(L, "function <%s:%d>", ar->short_src, ar->linedefined);
  else
    lua_pushliteral(L, "?");
  luaL_addvalue(b);
  if (ar->istailcall) luaL_addstring(b, "\n\t(...tail calls...)");
}

static int count_levels(lua_State *co) {
  lua_Debug ar;
  int low = 0, high = 1;
  while (lua_getstack(co, high, &ar)) {
    low = high;
    high *= 2;
  }
  while (low < high) { /* the first level that is not there */
    int middle = (low + high) / 2;
    if (lua_getstack(co, middle, &ar))
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

void rthL_traceback(lua_State *L, lua_State *co, int level) {
  int n = count_levels(co);
  int skip_from = n - level > FIRST + LAST ? level + FIRST : -1;
  luaL_Buffer b;
  lua_Debug ar;
  if (n <= level) {
    lua_pushliteral(L, "");
    return;
  }
  luaL_buffinit(L, &b);
  luaL_addstring(&b, "stack traceback:");
  for (; lua_getstack(co, level, &ar); level++) {
    if (level == skip_from) {
      lua_pushfstring(L, "\n\t...\t(skipping %d levels)", n - LAST - level);
      luaL_addvalue(&b);
      level = n - LAST - 1;
      continue;
    }
    lua_getinfo(co, "Slnt", &ar);
    add_frame(L, &b, &ar);
  }
  luaL_pushresult(&b);
}
