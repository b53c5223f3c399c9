/* error - names and texts of the codes: ours, and the system's as libuv names
** them.
**
** WHY      uv_err_name would allocate for a number that it does not know.
** THREADS  any.
*/
#include <string.h>
#include <uv.h>

#include "rthandle.h"

#define OUR_NAME(name, number, text) \
  case number:                       \
    return #name;
#define OUR_TEXT(name, number, text) \
  case number:                       \
    return text;
#define UV_NAME(name, text) \
  case UV_##name:           \
    return #name;
#define UV_TEXT(name, text) \
  case UV_##name:           \
    return text;

static const char *system_name(int code) {
  switch (code) {
    UV_ERRNO_MAP(UV_NAME)
    default:
      return "EUNKNOWN";
  }
}

static const char *system_text(int code) {
  switch (code) {
    UV_ERRNO_MAP(UV_TEXT)
    default:
      return code < 0 && code > -4000 ? strerror(-code) : "unknown error";
  }
}

const char *rth_err_name(int code) {
  switch (code) {
    RTH_ERRORS(OUR_NAME)
    case 0:
      return "OK";
    default:
      return system_name(code);
  }
}

const char *rth_strerror(int code) {
  switch (code) {
    RTH_ERRORS(OUR_TEXT)
    case 0:
      return "success";
    default:
      return system_text(code);
  }
}
