/* addr.h - socket addresses as text and back. */
#ifndef RTH_ADDR_H
#define RTH_ADDR_H

#include <uv.h>

#include "rthandle_io.h"

#define RTH_HOST_MAX 256 /* a name has 253 characters at most */

/* "host:port", "[host]:port"; the host goes into `host`.  Fails: RTH_EINVAL.
*/
int rth__addr_split(const char *text, char *host, size_t size,
                    unsigned *port);
/* Fails: RTH_EINVAL, it is a name. */
int rth__addr_numeric(rth_addr_t *a, const char *host, unsigned port);

#endif
