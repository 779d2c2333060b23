/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One connection to one worker: made, written to, read from. Nothing here waits for the worker. */

#include "daemon/worker-wire.h"
#include "common/macro.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

int worker_connect(const char *path) {
        struct sockaddr_un sa = { .sun_family = AF_UNIX };
        _cleanup_close_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

        if (fd < 0)
                return -errno;
        if (strlen(path) >= sizeof(sa.sun_path))
                return -ENAMETOOLONG;
        strcpy(sa.sun_path, path);
        /* systemd listens: connect() only waits for the backlog, never for a worker */
        if (connect(fd, (struct sockaddr *) &sa, sizeof(sa)) < 0)
                return -errno;
        return TAKE_FD(fd);
}

extern char **environ;

int worker_spawn(const char *program, const char *root_path, pid_t *ret_pid) {
        posix_spawn_file_actions_t actions;
        char *argv[] = { (char *) program, (char *) "--root", (char *) root_path, NULL };
        int pair[2];

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return -errno;
        _cleanup_close_ int ours = pair[0], theirs = pair[1];
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_adddup2(&actions, theirs, STDIN_FILENO);
        int r = posix_spawn(ret_pid, program, &actions, NULL, argv, environ);
        posix_spawn_file_actions_destroy(&actions);
        if (r != 0)
                return -r;
        return TAKE_FD(ours);
}

int worker_send(int fd, const struct worker_request *request, const int fds[WORKER_FDS_MAX]) {
        union {
                struct cmsghdr align;
                char buf[CMSG_SPACE(sizeof(int) * WORKER_FDS_MAX)];
        } control = { 0 };
        struct iovec iov = { (void *) request, sizeof(*request) };
        struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
        size_t n = 0;

        while (n < WORKER_FDS_MAX && fds[n] >= 0)
                n++;
        if (n > 0) {
                mh.msg_control = control.buf;
                mh.msg_controllen = CMSG_SPACE(sizeof(int) * n);
                struct cmsghdr *h = CMSG_FIRSTHDR(&mh);

                h->cmsg_level = SOL_SOCKET;
                h->cmsg_type = SCM_RIGHTS;
                h->cmsg_len = CMSG_LEN(sizeof(int) * n);
                memcpy(CMSG_DATA(h), fds, sizeof(int) * n);
        }
        if (sendmsg(fd, &mh, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
                return -errno;
        return 0;
}

int worker_receive(int fd, struct worker_reply *reply, int fds[WORKER_FDS_MAX]) {
        union {
                struct cmsghdr align;
                char buf[CMSG_SPACE(sizeof(int) * WORKER_FDS_MAX)];
        } control;
        struct iovec iov = { reply, sizeof(*reply) };
        struct msghdr mh = { .msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = control.buf,
                             .msg_controllen = sizeof(control.buf) };
        size_t n_fds = 0;

        ssize_t n = recvmsg(fd, &mh, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
        if (n < 0)
                return -errno;
        for (struct cmsghdr *c = CMSG_FIRSTHDR(&mh); c; c = CMSG_NXTHDR(&mh, c))
                if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
                        n_fds = MIN((c->cmsg_len - CMSG_LEN(0)) / sizeof(int), (size_t) WORKER_FDS_MAX);
                        memcpy(fds, CMSG_DATA(c), n_fds * sizeof(int));
                }
        if (n == 0)
                return 0;
        if (n != sizeof(*reply) || mh.msg_flags & (MSG_TRUNC | MSG_CTRUNC) ||
            reply->version != WORKER_PROTOCOL_VERSION || reply->n_fds != n_fds || reply->error > 0 ||
            reply->value[0] > UINT32_MAX)
                return -EPROTO;
        reply->detail[sizeof(reply->detail) - 1] = '\0';
        return 1;
}
