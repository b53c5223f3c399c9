/* move_bytecode_test - the reader of dumped functions: what it finds, and that
** no bytes whatsoever lead it astray. */
#include "lua/bytecode.h"

#include <lauxlib.h>
#include <lualib.h>

#include "harness.h"
#include "lua/lalloc.h"

static long blocks, fail_after = -1;

void *rthL_realloc(void *old, size_t size) {
  void *p;
  if (size == 0) {
    if (old != NULL) blocks--;
    free(old);
    return NULL;
  }
  if (fail_after == 0) return NULL;
  if (fail_after > 0) fail_after--;
  p = realloc(old, size);
  if (p != NULL && old == NULL) blocks++;
  return p;
}

typedef struct Dump {
  unsigned char *p;
  size_t n;
} Dump;

static int writer(lua_State *L, const void *p, size_t n, void *data) {
  Dump *d = (Dump *)data;
  (void)L;
  d->p = (unsigned char *)realloc(d->p, d->n + n + 1);
  memcpy(d->p + d->n, p, n);
  d->n += n;
  return 0;
}

/* The function that `source` returns; or, for a name with @, that file. */
static Dump dump_of(const char *source, int strip) {
  Dump d = {NULL, 0};
  lua_State *L = luaL_newstate();
  ASSERT(L != NULL);
  if (*source == '@') {
    ASSERT_EQ(luaL_loadfile(L, source + 1), LUA_OK);
  } else {
    ASSERT_EQ(luaL_loadbuffer(L, source, strlen(source), "=s"), LUA_OK);
    ASSERT_EQ(lua_pcall(L, 0, 1, 0), LUA_OK);
  }
  (void)lua_dump(L, writer, &d, strip);
  lua_close(L);
  return d;
}

/* Reads a copy that ends where its block of memory ends. */
static int read_exact(const unsigned char *p, size_t n) {
  unsigned char *copy = (unsigned char *)malloc(n > 0 ? n : 1);
  rthL_Facts f;
  int err;
  memset(&f, 0, sizeof f);
  memcpy(copy, p, n);
  err = rthL_bytecode_facts(copy, n, &f);
  if (err != 0) ASSERT_PTR_EQ(f.v, NULL);
  rthL_realloc(f.v, 0);
  free(copy);
  ASSERT_EQ(blocks, 0);
  return err;
}

static const char some[] =
    "local a, b, c = 0, {}, {}\n"
    "return function(x)\n"
    "local r = b for i = 1, x do r[i] = i end\n"
    "for k, v in pairs(c) do a = function() c.d.e[k] = v end end\n"
    "if x == 1 and not y or x > 2 then y, _G.z = nil, 'string' end\n"
    "return function(...) local t <close> = x return ..., t:m(b .. 'x') end\n"
    "end";

TEST(facts_of_a_function_come_once_each_with_the_first_line) {
  Dump d = dump_of("local t, n = {}, 0\n"
                   "return function()\n"
                   "t.x = n\n"
                   "t.x = n n = 1\n"
                   "return function() n = print end\n"
                   "end", 0);
  rthL_Facts f;
  memset(&f, 0, sizeof f);
  ASSERT_EQ(rthL_bytecode_facts(d.p, d.n, &f), 0);
  ASSERT_EQ(f.nup, 3);
  ASSERT_EQ(f.n, 3);
  ASSERT_EQ(f.v[0].kind, RTHL_STORES);
  ASSERT_EQ(f.v[0].line, 3);
  ASSERT_EQ(f.v[1].kind, RTHL_ASSIGNS);
  ASSERT_EQ(f.v[1].line, 4);
  ASSERT_EQ(f.v[2].kind, RTHL_READS);
  ASSERT_EQ(f.v[2].len, 5);
  ASSERT(memcmp(f.v[2].name, "print", 5) == 0);
  rthL_realloc(f.v, 0);
  free(d.p);
}

TEST(the_line_of_a_fact_is_the_lowest_also_of_nested_functions) {
  Dump d = dump_of("local n\n"
                   "return function()\n"
                   "local f = function() n = 1 end\n"
                   "n = f\n"
                   "end", 0);
  rthL_Facts f;
  memset(&f, 0, sizeof f);
  ASSERT_EQ(rthL_bytecode_facts(d.p, d.n, &f), 0);
  ASSERT_EQ(f.n, 1);
  ASSERT_EQ(f.v[0].line, 3);
  rthL_realloc(f.v, 0);
  free(d.p);
}

TEST(a_stripped_dump_has_no_lines) {
  Dump d = dump_of("local n return function() n = 1 end", 1);
  rthL_Facts f;
  memset(&f, 0, sizeof f);
  ASSERT_EQ(rthL_bytecode_facts(d.p, d.n, &f), 0);
  ASSERT_EQ(f.n, 1);
  ASSERT_EQ(f.v[0].line, 0);
  rthL_realloc(f.v, 0);
  free(d.p);
}

TEST(every_truncation_of_a_dump_is_unreadable) {
  int strip;
  for (strip = 0; strip <= 1; strip++) {
    Dump d = dump_of(some, strip);
    size_t n;
    ASSERT_EQ(read_exact(d.p, d.n), 0);
    for (n = 0; n < d.n; n++)
      ASSERT_EQ(read_exact(d.p, n), RTHL_BC_UNREADABLE);
    free(d.p);
  }
}

TEST(bytes_behind_a_dump_are_not_taken_for_a_part_of_it) {
  Dump d = dump_of(some, 0);
  d.p = (unsigned char *)realloc(d.p, d.n + 1);
  d.p[d.n] = 0;
  ASSERT_EQ(read_exact(d.p, d.n + 1), RTHL_BC_UNREADABLE);
  free(d.p);
}

TEST(a_dump_of_another_lua_is_unreadable) {
  Dump d = dump_of(some, 0);
  size_t i;
  for (i = 0; i < 31; i++) { /* signature, version, sizes, test numbers */
    d.p[i] ^= 1;
    ASSERT_EQ(read_exact(d.p, d.n), RTHL_BC_UNREADABLE);
    d.p[i] ^= 1;
  }
  free(d.p);
}

/* Any answer will do, but no crash, no leak, no endless loop. */
TEST(broken_dumps_do_no_harm) {
  Dump d = dump_of(some, 0);
  uint64_t x = 88172645463325252u;
  int i;
  for (i = 0; i < 50000; i++) {
    unsigned char saved[4];
    size_t at[4];
    int k;
    for (k = 0; k < 4; k++) {
      x ^= x << 13, x ^= x >> 7, x ^= x << 17;
      at[k] = 31 + x % (d.n - 31);
      saved[k] = d.p[at[k]];
      d.p[at[k]] = (unsigned char)(x >> 40);
      if ((x >> 50) % 3 == 0) break;
    }
    (void)read_exact(d.p, d.n);
    for (k = k < 4 ? k : 3; k >= 0; k--) d.p[at[k]] = saved[k];
  }
  ASSERT_EQ(read_exact(d.p, d.n), 0);
  free(d.p);
}

TEST(every_lack_of_memory_is_told) {
  Dump d = dump_of(some, 0);
  long n;
  int err = RTHL_BC_NOMEM;
  for (n = 0; err != 0; n++) {
    fail_after = n;
    err = read_exact(d.p, d.n);
    fail_after = -1;
    ASSERT(err == 0 || err == RTHL_BC_NOMEM);
  }
  ASSERT_GT(n, 5);
  free(d.p);
}

TEST(a_big_file_is_read_whole) {
  Dump d = dump_of("@spec/c/move_cases.lua", 0);
  ASSERT_EQ(read_exact(d.p, d.n), 0);
  free(d.p);
}
