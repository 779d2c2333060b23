/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Statistics in replies, at both ends of the worker link: value[0] VFs in a sealed memfd, which is fd[0], as
 * an array of struct vf_statistics sorted by index; value[1]: when the kernel was asked, CLOCK_MONOTONIC in
 * µs. */

#include "common/stats.h"
#include "daemon/worker-protocol.h"

#include <stddef.h>

/* The worker: reads the statistics of a PF's VFs. -errno with *step. */
int worker_stats_put(int root_fd, struct address pf, struct worker_reply *reply, int *ret_fd,
                     const char **step);
/* As a reply has them. */
int worker_stats_seal(const struct vf_statistics *list, size_t n, struct worker_reply *reply, int *ret_fd);

/* The daemon: checks all of it. -EPROTO if it is not as above; then the worker may not be believed. The list
 * is the caller's: free(). fd stays open. */
int worker_stats_take(const struct worker_reply *reply, int fd, struct vf_statistics **ret, size_t *ret_n);
