/* net.h - what the files of rt.net share.
**
**   net.c       addresses, options, errors, the table rt.net
**   socket.c    the life of a socket's userdata; one way to wait for all of it
**   stream.c    reading and writing
**   split.c     the halves of a stream
**   connect.c   making a stream
**   listener.c  binding and accepting
**   udp.c       datagrams
**   lookup.c    names
**   copy.c      rt.io: from one stream to another
**
** A userdata is an rthL_SocketBox.  What it refers to, the rthL_Socket, is no
** memory of Lua: an operation that waits keeps it, and it moves as a whole to
** another state.
*/
#ifndef RTHL_NET_H
#define RTHL_NET_H

#include <errno.h>

#include "lua/fiber.h"
#include "lua/move.h"
#include "rthandle_io.h"

typedef struct rthL_Socket rthL_Socket;
typedef struct rthL_Io rthL_Io;

enum { RTHL_READ, RTHL_WRITE };

/* What one kind of operation does. */
typedef struct rthL_IoType {
  /* The core's call: READY, PENDING or an error. */
  int (*poll)(rthL_Io *o, rth_cx_t *cx);
  /* Pushes what the last poll brought; its error is in o->rc.  In the C
  ** function that began it, whose stack is as it was. */
  int (*finish)(lua_State *L, rthL_State *S, rthL_Io *o);
  /* READY, and nobody is there to take it.  NULL: nothing to do. */
  void (*lose)(rthL_Io *o);
} rthL_IoType;

/* The operation of one side of a socket, used again for each. */
struct rthL_Io {
  rthL_Op op;
  const rthL_IoType *type;
  rthL_Socket *socket;
  const void *waker; /* data of the waker that it waits under */
  int rc;
  uint8_t side;
  uint8_t waits;   /* a task has this side, and a reference to the socket */
  uint8_t stopped; /* its userdata was closed */
};

/* The core's functions for one kind of socket. */
typedef struct rthL_SocketKind {
  void (*cancel[2])(void *core);
  void (*close)(void *core);
  void (*free)(void *core);
  int (*detach)(void *core);
  rth_handle_t *(*handle)(void *core);
  int (*local_addr)(void *core, rth_addr_t *a);
  int (*peer_addr)(void *core, rth_addr_t *a); /* NULL: has none */
} rthL_SocketKind;

struct rthL_Socket {
  const rthL_SocketKind *kind;
  void *core;         /* owned */
  rthL_Socket *spare; /* a dup, for a half that is about to move; or NULL */
  int refs;           /* userdata and waiting operations, of one state */
  rthL_Io side[2];
};

typedef struct rthL_SocketBox {
  rthL_Socket *socket; /* NULL: gone */
  uint8_t type;        /* its rthL_Type */
  uint8_t gone;        /* how */
} rthL_SocketBox;

enum { RTHL_CLOSED, RTHL_MOVED_AWAY, RTHL_SPLIT };

/* ---- socket.c ----------------------------------------------------------- */

/* Pushes a userdata of nothing, which counts as closed.  Raises (memory). */
rthL_SocketBox *rthL_newsocket(lua_State *L, rthL_State *S, rthL_Type t);
/* Makes a socket of size bytes around core, which is freed where that fails.
** NULL: no memory.  Never raises. */
rthL_Socket *rthL_socket_make(const rthL_SocketKind *kind, size_t size,
                              void *core);
/* One reference less.  Thread: user of the core. */
void rthL_socket_release(rthL_Socket *s);

/* The userdata at index 1, of a type from `first` to `last`.  Raises where it
** was moved or split; its socket is NULL where it was closed. */
rthL_SocketBox *rthL_checksocket(lua_State *L, rthL_State *S, rthL_Type first,
                                 rthL_Type last);
/* Its free operation of a side; NULL: it was closed.  Raises where a task
** waits for that side.  Good until Lua allocates: a finalizer that runs then
** may close the socket. */
rthL_Io *rthL_checkio(lua_State *L, rthL_State *S, rthL_Type first,
                      rthL_Type last, int side);
/* `return rthL_io(...)` from the C function: does it, waiting if need be. */
int rthL_io(lua_State *L, rthL_State *S, rthL_Io *o, const rthL_IoType *type);

/* Why its socket is NULL; and whether a task waits on a side, or NULL. */
const char *rthL_socket_gone(const rthL_SocketBox *b);
const char *rthL_socket_busy(const rthL_SocketBox *b, int side);

/* The userdata leaves its socket: those who wait through it are told. */
void rthL_socket_leave(rthL_SocketBox *b, int gone);

/* Methods of all sockets; __gc and __close. */
int rthL_socket_close(lua_State *L);
int rthL_socket_gc(lua_State *L);
int rthL_socket_local_addr(lua_State *L);
int rthL_socket_peer_addr(lua_State *L);

/* How the types with a socket of their own move; halves: see split.c. */
const char *rthL_socket_movable(lua_State *L, int idx);
void *rthL_socket_take(lua_State *L, int idx);
void rthL_socket_drop(void *socket);
void rthL_socket_arrive(lua_State *L, rthL_Type t, void *socket);

#define RTHL_SOCKET_MOVES(name, TYPE)                                  \
  static void name##_push(lua_State *L, void *socket) {                \
    rthL_socket_arrive(L, TYPE, socket);                               \
  }                                                                    \
  static const rthL_MoveOps name##_ops = {                             \
      rthL_socket_movable, rthL_socket_take, name##_push,              \
      rthL_socket_drop, NULL}

/* Functions of the core with the types that rthL_SocketKind wants. */
#define RTHL_SOCKET_CORE(core_t, api)                              \
  static void core_close(void *p) { api##_close((core_t *)p); }    \
  static void core_free(void *p) { api##_free((core_t *)p); }      \
  static int core_detach(void *p) { return api##_detach((core_t *)p); } \
  static rth_handle_t *core_handle(void *p) {                      \
    return api##_handle((const core_t *)p);                        \
  }                                                                \
  static int core_local_addr(void *p, rth_addr_t *a) {             \
    return api##_local_addr((const core_t *)p, a);                 \
  }

/* ---- net.c -------------------------------------------------------------- */

/* nil, "ECODE: text", "ECODE".  Raises what only misuse can bring about. */
int rthL_neterror(lua_State *L, int code);
/* The same with a text of its own after the code's name. */
int rthL_neterrorf(lua_State *L, int code, const char *format, ...);
int rthL_nettrue(lua_State *L, int rc); /* true, or that */
/* Pushes its text. */
void rthL_pushaddr(lua_State *L, const rth_addr_t *a);

/* "host:port" at `arg`, or a host there and a port after it, which becomes one
** argument.  Raises where it is neither. */
const char *rthL_checkaddr(lua_State *L, int arg);
/* A path of a Unix socket at `arg`.  An RTH_E code, for rthL_badpath. */
int rthL_checkpath(lua_State *L, int arg, rth_addr_t *a);
/* nil, "EINVAL: …", "EINVAL" for the string at `arg`. */
int rthL_badaddr(lua_State *L, int arg);
int rthL_badpath(lua_State *L, int arg);

typedef struct rthL_NetOption {
  const char *name; /* first: see rthL_unknown */
  int *value;
  int boolean; /* else an integer from 1 */
} rthL_NetOption;

/* The table at `arg`, or nothing.  Raises. */
void rthL_netoptions(lua_State *L, int arg, const char *what,
                     const rthL_NetOption *list, int n);

/* ---- lookup.c ----------------------------------------------------------- */

/* What is done with the addresses, borrowed until it returns; or with an
** error.  In the C function that asked, one value more on its stack. */
typedef int (*rthL_Found)(lua_State *L, rthL_State *S, int rc,
                          const rth_addr_t *list, size_t n);
/* `return rthL_resolve(...)`: the "host:port" at `arg`; numbers at once. */
int rthL_resolve(lua_State *L, rthL_State *S, int arg, rthL_Found found);

/* ---- stream.c, split.c -------------------------------------------------- */

/* Gives the connection to the box; or answers RTH_ENOMEM, and it is closed.
** Never raises. */
int rthL_stream_adopt(rthL_SocketBox *b, rth_stream_t *core);
rthL_Socket *rthL_stream_wrap(rth_stream_t *core);
int rthL_stream_split(lua_State *L);

/* Each: puts its types and functions into rt.net, on top of the stack. */
void rthL_open_net(lua_State *L, rthL_State *S); /* the module is there */
void rthL_open_streams(lua_State *L, rthL_State *S);
void rthL_open_halves(lua_State *L, rthL_State *S, const luaL_Reg *reads,
                      const luaL_Reg *writes);
void rthL_open_connect(lua_State *L, rthL_State *S);
void rthL_open_listener(lua_State *L, rthL_State *S);
void rthL_open_udp(lua_State *L, rthL_State *S);
void rthL_open_lookup(lua_State *L, rthL_State *S);
/* rt.io */
void rthL_open_io(lua_State *L, rthL_State *S);

#endif
