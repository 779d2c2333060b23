/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Switches in replies, at both ends of the worker link: value[0] the mode, enum eswitch_mode; value[1] VFs
 * whose interfaces are in a sealed memfd, fd[0], as an array of char[IFNAME_MAX] by index; without fd if that
 * is 0. */

#include "common/eswitch.h"
#include "daemon/worker-protocol.h"

#include <stddef.h>

/* The worker: reads it. -errno with *step, which may point to text. */
int worker_eswitch_put(int root_fd, struct address pf, struct worker_reply *reply, int *ret_fd, char *text,
                       const char **step);
/* As a reply has it. */
int worker_eswitch_seal(enum eswitch_mode mode, char (*names)[IFNAME_MAX], size_t n,
                        struct worker_reply *reply, int *ret_fd);

/* The daemon: checks all of it. -EPROTO if it is not as above. The list is the caller's: free(); NULL if
 * there is none. fd stays open. */
int worker_eswitch_take(const struct worker_reply *reply, int fd, enum eswitch_mode *ret,
                        char (**ret_names)[IFNAME_MAX], size_t *ret_n);
