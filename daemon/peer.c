/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Credentials of a peer, and the few facts about processes that leases need. */

#include "daemon/peer.h"
#include "common/log.h"
#include "common/text.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77 /* kernel 6.5, include/uapi/asm-generic/socket.h */
#endif

static int read_proc(pid_t pid, const char *file, char *buf, size_t size) {
        char path[64];

        snprintf(path, sizeof(path), "/proc/%d/%s", (int) pid, file);
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return errno == ENOENT ? -ESRCH : -errno;
        ssize_t n = read(fd, buf, size - 1);
        if (n < 0)
                return -errno;
        buf[n] = '\0';
        return 0;
}

/* Field 22 of /proc/PID/stat; the name in field 2 may hold anything, so count from the last ')'. */
static int process_start(pid_t pid, uint64_t *ret) {
        char buf[1024];
        unsigned long long start;
        int r = read_proc(pid, "stat", buf, sizeof(buf));

        if (r < 0)
                return r;
        const char *p = strrchr(buf, ')');
        if (!p ||
            sscanf(p + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
                   &start) != 1)
                return -EIO;
        *ret = start;
        return 0;
}

int process_open(pid_t pid, uint64_t *start, int *ret_pidfd) {
        uint64_t now;
        _cleanup_close_ int pidfd = pidfd_open(pid, 0);

        if (pidfd < 0)
                return errno == EINVAL ? -ESRCH : -errno;
        /* Read while the pidfd is held: the number cannot be given to another process in between and back */
        int r = process_start(pid, &now);
        if (r < 0)
                return r;
        if (*start != 0 && *start != now)
                return -ESRCH;
        if (pidfd_send_signal(pidfd, 0, NULL, 0) < 0 && errno == ESRCH)
                return -ESRCH;
        *start = now;
        *ret_pidfd = TAKE_FD(pidfd);
        return 0;
}

int process_uid(pid_t pid, uid_t *ret) {
        char buf[4096];
        unsigned uid;
        int r = read_proc(pid, "status", buf, sizeof(buf));

        if (r < 0)
                return r;
        const char *p = strstr(buf, "\nUid:");
        if (!p || sscanf(p + 5, "%u", &uid) != 1)
                return -EIO;
        *ret = uid;
        return 0;
}

int process_memlock(pid_t pid, uint64_t *ret) {
        char buf[4096], soft[32];
        int r = read_proc(pid, "limits", buf, sizeof(buf));

        if (r < 0)
                return r;
        const char *p = strstr(buf, "Max locked memory");
        if (!p || sscanf(p + strlen("Max locked memory"), "%31s", soft) != 1)
                return -EIO;
        if (strcmp(soft, "unlimited") == 0) {
                *ret = UINT64_MAX;
                return 0;
        }
        return parse_u64(soft, 10, ret);
}

int process_name(pid_t pid, char *buf, size_t size) {
        int r = read_proc(pid, "comm", buf, size);

        if (r >= 0)
                buf[strcspn(buf, "\n")] = '\0';
        else
                buf[0] = '\0';
        return r;
}

static int read_groups(int fd, struct peer *p) {
        socklen_t size = 64 * sizeof(gid_t);

        for (;;) {
                gid_t *g = realloc(p->groups, size + sizeof(gid_t));

                if (!g)
                        return -ENOMEM;
                p->groups = g;
                if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, g, &size) >= 0)
                        break;
                if (errno != ERANGE) /* then size holds what is needed */
                        return -errno;
        }
        p->n_groups = size / sizeof(gid_t);
        p->groups[p->n_groups++] = p->gid;
        return 0;
}

/* The pidfd of the peer: from the socket if the kernel knows it (6.5), else by its number. */
static int read_pidfd(int fd, struct peer *p) {
        socklen_t size = sizeof(int);
        int pidfd;

        if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &size) >= 0) {
                p->pidfd = pidfd;
                int r = process_start(p->pid, &p->pid_start);
                /* alive after the read: the number was its own all the time */
                if (r >= 0 && pidfd_send_signal(pidfd, 0, NULL, 0) < 0 && errno == ESRCH)
                        r = -ESRCH;
                return r;
        }
        if (errno != ENOPROTOOPT)
                return -ESRCH;
        p->pid_start = 0;
        int r = process_open(p->pid, &p->pid_start, &p->pidfd);
        if (r < 0)
                return r;
        uid_t uid;
        r = process_uid(p->pid, &uid);
        if (r >= 0 && uid != p->uid) /* the number was given to somebody else since connect() */
                r = -ESRCH;
        return r;
}

static bool is_admin(const struct peer *p) {
        const struct group *g = getgrnam("vfctl");

        if (p->uid == 0)
                return true;
        for (size_t i = 0; g && i < p->n_groups; i++)
                if (p->groups[i] == g->gr_gid)
                        return true;
        return false;
}

int peer_read(int socket_fd, struct peer *ret) {
        struct ucred cred;
        socklen_t size = sizeof(cred);
        struct peer p = { .pidfd = -1 };

        if (getsockopt(socket_fd, SOL_SOCKET, SO_PEERCRED, &cred, &size) < 0)
                return -errno;
        p.uid = cred.uid;
        p.gid = cred.gid;
        p.pid = cred.pid;
        int r = read_groups(socket_fd, &p);
        if (r < 0) {
                peer_done(&p);
                return r;
        }
        if (read_pidfd(socket_fd, &p) < 0)
                close_fd(&p.pidfd); /* it ended already: may look, cannot own a lease */
        p.admin = is_admin(&p);
        *ret = p;
        return 0;
}

void peer_done(struct peer *p) {
        close_fd(&p->pidfd);
        free(p->groups);
        p->groups = NULL;
}

bool peer_may_act_for(const struct peer *p, const struct tenant *t) {
        return p->admin || tenant_has_user(t, p->uid, p->groups, p->n_groups);
}

bool peer_is_tenant(const struct peer *p, const struct policy *policy) {
        for (size_t i = 0; policy && i < policy->n_tenants; i++)
                if (peer_may_act_for(p, &policy->tenants[i]))
                        return true;
        return false;
}
