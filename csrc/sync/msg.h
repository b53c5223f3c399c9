/* msg.h - messages that several readers share. */
#ifndef RTH_MSG_H
#define RTH_MSG_H

#include "rthandle_sync.h"
#include "sync/refs.h"

/* From here on the message is counted; the caller has the one reference.
** NULL is allowed.  Thread: its only owner. */
void rth__msg_share(rth_msg_t *m);

#endif
