/* net - rt.net: its table, and what its files share about addresses, options
** and errors.
**
** WHY      the outside world's failures are values: nil, a message that begins
**          with the code, the code.  What only a mistake of the script can
**          bring about is raised.
** THREADS  the one that runs the Lua state.
*/
#include "lua/net.h"

#include <stdarg.h>
#include <string.h>

/* ---- errors ------------------------------------------------------------- */

int rthL_neterror(lua_State *L, int code) {
  const char *name = rth_err_name(code), *text = rth_strerror(code);
  if (code == RTH_ENOCONTEXT) return rthL_raise(L, code);
  if (code == -EBUSY)
    return luaL_error(L, "a task of another runtime is using this socket");
  lua_pushnil(L);
  if (code == RTH_ESHUTDOWN)
    lua_pushstring(L, text);
  else
    lua_pushfstring(L, "%s: %s", name, text);
  lua_pushstring(L, name);
  return 3;
}

int rthL_neterrorf(lua_State *L, int code, const char *format, ...) {
  va_list args;
  lua_pushnil(L);
  lua_pushfstring(L, "%s: ", rth_err_name(code));
  va_start(args, format);
  lua_pushvfstring(L, format, args);
  va_end(args);
  lua_concat(L, 2);
  lua_pushstring(L, rth_err_name(code));
  return 3;
}

int rthL_nettrue(lua_State *L, int rc) {
  if (rc < 0) return rthL_neterror(L, rc);
  lua_pushboolean(L, 1);
  return 1;
}

/* ---- addresses ---------------------------------------------------------- */

void rthL_pushaddr(lua_State *L, const rth_addr_t *a) {
  char text[RTH_ADDR_TEXT];
  lua_pushstring(L, rth_addr_format(a, text));
}

/* host, port -> "host:port" */
static void join_port(lua_State *L, int arg) {
  const char *host = lua_tostring(L, arg);
  lua_Integer port = luaL_checkinteger(L, arg + 1);
  const char *format = strchr(host, ':') != NULL && *host != '[' ? "[%s]:%I"
                                                                  : "%s:%I";
  luaL_argcheck(L, port >= 0 && port <= 65535, arg + 1,
                "a port is from 0 to 65535");
  lua_pushfstring(L, format, host, (LUAI_UACINT)port);
  lua_replace(L, arg);
  lua_remove(L, arg + 1);
}

const char *rthL_checkaddr(lua_State *L, int arg) {
  size_t n;
  const char *text;
  luaL_checktype(L, arg, LUA_TSTRING);
  text = lua_tolstring(L, arg, &n);
  luaL_argcheck(L, strlen(text) == n, arg, "an address contains no zeros");
  if (lua_type(L, arg + 1) == LUA_TNUMBER) join_port(L, arg);
  return lua_tostring(L, arg);
}

int rthL_badaddr(lua_State *L, int arg) {
  return rthL_neterrorf(L, RTH_EINVAL,
                        "'%s' is not an address (host:port)",
                        lua_tostring(L, arg));
}

int rthL_checkpath(lua_State *L, int arg, rth_addr_t *a) {
  size_t n;
  const char *path = luaL_checklstring(L, arg, &n);
  luaL_argcheck(L, path[0] == '\0' || strlen(path) == n, arg,
                "a path contains no zeros");
  return rth_addr_unix(a, path, n);
}

int rthL_badpath(lua_State *L, int arg) {
  size_t n;
  (void)lua_tolstring(L, arg, &n);
  return rthL_neterrorf(L, RTH_EINVAL,
                        "a path of %I bytes (a socket's has 1 to about 100)",
                        (LUAI_UACINT)n);
}

/* ---- options ------------------------------------------------------------ */

/* The value is on top. */
static void read_option(lua_State *L, const rthL_NetOption *o) {
  int is_integer;
  lua_Integer n = lua_tointegerx(L, -1, &is_integer);
  if (o->boolean && !lua_isboolean(L, -1))
    luaL_error(L, "%s must be a boolean, got %s", o->name,
               luaL_typename(L, -1));
  if (!o->boolean && (lua_type(L, -1) != LUA_TNUMBER || !is_integer ||
                      n < 1 || n > 1 << 30))
    luaL_error(L, "%s must be an integer from 1", o->name);
  *o->value = o->boolean ? lua_toboolean(L, -1) : (int)n;
}

void rthL_netoptions(lua_State *L, int arg, const char *what,
                     const rthL_NetOption *list, int n) {
  if (lua_isnoneornil(L, arg)) return;
  luaL_checktype(L, arg, LUA_TTABLE);
  lua_pushnil(L);
  while (lua_next(L, arg)) {
    const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2)
                                                     : luaL_typename(L, -2);
    int i = 0;
    while (i < n && strcmp(key, list[i].name) != 0) i++;
    if (i == n) rthL_unknown(L, what, key, list, sizeof *list, n);
    read_option(L, &list[i]);
    lua_pop(L, 1);
  }
}

void rthL_open_net(lua_State *L, rthL_State *S) {
  lua_newtable(L);
  rthL_open_lookup(L, S);
  rthL_open_streams(L, S);
  rthL_open_connect(L, S);
  rthL_open_listener(L, S);
  rthL_open_udp(L, S);
  lua_setfield(L, -2, "net");
}
