/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* One connection to one worker. worker-protocol.h says what is on it. All return -errno on failure. */

#include "daemon/worker-protocol.h"

#include <sys/types.h>

/* Either gives the daemon's end; the caller owns it. The worker may start long after. */
int worker_connect(const char *socket_path);
int worker_spawn(const char *program, const char *root_path, pid_t *ret_pid);

/* fds: borrowed, those before the first -1 are sent. */
int worker_send(int fd, const struct worker_request *request, const int fds[WORKER_FDS_MAX]);

/* 1 with a checked reply, 0 on end of file. fds are the caller's in any case, -1 unused. */
int worker_receive(int fd, struct worker_reply *reply, int fds[WORKER_FDS_MAX]);
