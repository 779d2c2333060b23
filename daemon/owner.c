/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The process and the user that a lease belongs to. */

#include "daemon/owner.h"
#include "daemon/acquire.h"

#include <fcntl.h>

void owner_done(struct owner *o) {
        close_fd(&o->pidfd);
}

enum reason owner_find(const struct peer *p, const struct acquire_request *r, struct owner *o) {
        uid_t pid_uid = p->uid;

        *o = (struct owner){ .uid = p->uid, .pidfd = -1 };
        if (r->pid > 0) {
                if (process_open(r->pid, &o->pid_start, &o->pidfd) < 0 || process_uid(r->pid, &pid_uid) < 0)
                        return REASON_OWNER_GONE;
                if (!p->admin && pid_uid != p->uid)
                        return REASON_NOT_YOUR_PROCESS;
                o->pid = r->pid;
                o->uid = pid_uid;
        } else if (!r->kept) {
                if (p->pidfd < 0)
                        return REASON_OWNER_GONE;
                o->pidfd = fcntl(p->pidfd, F_DUPFD_CLOEXEC, 3);
                if (o->pidfd < 0)
                        return REASON_LIMIT;
                o->pid = p->pid;
                o->pid_start = p->pid_start;
        }
        if (r->has_uid && r->uid != o->uid) {
                if (!p->admin)
                        return REASON_NOT_YOUR_PROCESS;
                o->uid = r->uid;
        }
        return REASON_NONE;
}
