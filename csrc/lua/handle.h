/* handle.h - Handle, and the functions on the current runtime. */
#ifndef RTHL_HANDLE_H
#define RTHL_HANDLE_H

#include "lua/join.h"

/* Pushes a Handle; clones h.  Raises. */
int rthL_pushhandle(lua_State *L, rthL_State *S, rth_handle_t *h);
/* The handle of a Handle at idx (borrowed), or raises. */
rth_handle_t *rthL_checkhandle(lua_State *L, rthL_State *S, int idx);

/* The methods that Handle, Runtime and the free functions share.  The
** function to spawn is at index f. */
typedef enum rthL_Kind {
  RTHL_SPAWN,
  RTHL_SPAWN_LOCAL,
  RTHL_BLOCKING
} rthL_Kind;
int rthL_spawn_kind(lua_State *L, rthL_State *S, rth_handle_t *h, int f,
                    rthL_Kind kind);
/* The same, with a table of options at index `opts`, f after it. */
int rthL_spawn_with(lua_State *L, rthL_State *S, rth_handle_t *h, int opts);

/* The options of a spawn. */
typedef struct rthL_SpawnOptions {
  rthL_Kind kind;
  rthL_Tags tags;
  unsigned flags; /* of rthL_encode_call */
} rthL_SpawnOptions;
/* Reads them from the table at index `opts`, where a function follows; puts
** the name, or nil, between the two.  Raises. */
void rthL_spawn_options(lua_State *L, int opts, rthL_SpawnOptions *o);
int rthL_spawn_as(lua_State *L, rthL_State *S, rth_handle_t *h, int f,
                  const rthL_SpawnOptions *o);

/* Pushes the table of metrics. */
int rthL_metrics(lua_State *L, rthL_State *S, rth_handle_t *h);

/* Sets free functions and Handle in the module table on top. */
void rthL_open_handle(lua_State *L, rthL_State *S);
/* The same with Runtime and main. */
void rthL_open_runtime(lua_State *L, rthL_State *S);
/* The same with sleep …, timeout …, time. */
void rthL_open_time(lua_State *L, rthL_State *S);
void rthL_open_timeout(lua_State *L, rthL_State *S);
void rthL_open_interval(lua_State *L, rthL_State *S);
/* The same with coroutine. */
void rthL_open_coroutine(lua_State *L, rthL_State *S);
/* The same with _async_runtime. */
void rthL_open_async(lua_State *L, rthL_State *S);

/* Runtime.new and close, for rt.main and the process's own runtime: the
** options are at index 1.  Pushes the Runtime, or nil and a message. */
int rthL_runtime_new(lua_State *L);

#endif
