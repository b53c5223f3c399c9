/* error - names and texts of the codes.  THREADS any. */
#include "rthandle.h"

#include <string.h>

#include "base/compiler.h"

#define NAME_CASE(name, number, text) \
  case number:                        \
    return #name;
#define TEXT_CASE(name, number, text) \
  case number:                        \
    return text;

const char *rth_err_name(int code) {
  switch (code) {
    RTH_ERRORS(NAME_CASE)
    case 0:
      return "OK";
    default:
      return "EUNKNOWN";
  }
}

const char *rth_strerror(int code) {
  switch (code) {
    RTH_ERRORS(TEXT_CASE)
    case 0:
      return "success";
    default:
      return code < 0 && code > -4096 ? strerror(-code) : "unknown error";
  }
}
