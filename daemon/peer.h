/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Who is at the other end of a connection, and processes in general. Always of the running system, whatever
 * --root says. */

#include "policy/policy.h"

#include <sys/types.h>

struct peer {
        uid_t uid;
        gid_t gid;
        pid_t pid;
        uint64_t pid_start; /* clock ticks since boot */
        int pidfd;          /* -1 if the process is gone already */
        gid_t *groups;      /* with gid */
        size_t n_groups;
        bool admin; /* root, or member of group vfctl */
};

/* Reads the credentials of a connected AF_UNIX socket. */
int peer_read(int socket_fd, struct peer *ret);
void peer_done(struct peer *p);

/* True for administrators and for users of the tenant. */
bool peer_may_act_for(const struct peer *p, const struct tenant *t);

/* True for users of any tenant. policy may be NULL. */
bool peer_is_tenant(const struct peer *p, const struct policy *policy);

/* Opens a process and makes sure that it is the one that started at *start (0: any; *start gets it). -ESRCH
 * if not. */
int process_open(pid_t pid, uint64_t *start, int *ret_pidfd);
int process_uid(pid_t pid, uid_t *ret);
int process_memlock(pid_t pid, uint64_t *ret); /* soft RLIMIT_MEMLOCK, UINT64_MAX unlimited */
int process_name(pid_t pid, char *buf, size_t size);
