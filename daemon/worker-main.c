/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vfctld-worker: one connection, one request at a time, until the other end closes it. */

#include "common/log.h"
#include "common/macro.h"
#include "common/root.h"
#include "daemon/worker-ops.h"

#include <errno.h>
#include <getopt.h>
#include <pwd.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>

#define DAEMON_USER "vfctl"

union control {
        struct cmsghdr align;
        char buf[CMSG_SPACE(sizeof(int) * WORKER_FDS_MAX)];
};

static void close_all(int fds[WORKER_FDS_MAX]) {
        for (unsigned i = 0; i < WORKER_FDS_MAX; i++)
                close_fd(&fds[i]);
}

/* Root may do all of this itself, and so may whoever runs us; beyond them only the daemon's user. */
static bool may_use_us(uid_t uid) {
        const struct passwd *p;

        if (uid == 0 || uid == geteuid())
                return true;
        p = getpwnam(DAEMON_USER);
        return p && p->pw_uid == uid;
}

static int check_peer(int fd, pid_t *ret_client) {
        struct ucred cred;
        socklen_t size = sizeof(cred);
        int type;

        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &size) < 0)
                return -errno;
        size = sizeof(type);
        if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0)
                return -errno;
        if (type != SOCK_SEQPACKET)
                return -EPROTOTYPE;
        if (!may_use_us(cred.uid)) {
                log_error("refused a client of uid %u", cred.uid);
                return -EPERM;
        }
        *ret_client = cred.pid;
        return 0;
}

/* 1, 0 at the end of the connection, -errno. More descriptors than fit are closed by the kernel and refused.
 */
static int receive_request(int fd, struct worker_request *q, int fds[WORKER_FDS_MAX]) {
        union control control;
        struct iovec iov = { q, sizeof(*q) };
        struct msghdr mh = { .msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = control.buf,
                             .msg_controllen = sizeof(control.buf) };
        ssize_t n;

        do
                n = recvmsg(fd, &mh, MSG_CMSG_CLOEXEC);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return -errno;
        for (struct cmsghdr *c = CMSG_FIRSTHDR(&mh); c; c = CMSG_NXTHDR(&mh, c))
                if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
                        memcpy(fds, CMSG_DATA(c),
                               MIN(c->cmsg_len - CMSG_LEN(0), sizeof(int) * (size_t) WORKER_FDS_MAX));
        if (n == 0)
                return 0;
        return n == sizeof(*q) && !(mh.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) ? 1 : -EPROTO;
}

static int send_reply(int fd, const struct worker_reply *p, const int fds[WORKER_FDS_MAX]) {
        union control control = { 0 };
        struct iovec iov = { (void *) p, sizeof(*p) };
        struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
        ssize_t n;

        if (p->n_fds > 0) {
                mh.msg_control = control.buf;
                mh.msg_controllen = CMSG_SPACE(sizeof(int) * p->n_fds);
                struct cmsghdr *h = CMSG_FIRSTHDR(&mh);

                h->cmsg_level = SOL_SOCKET;
                h->cmsg_type = SCM_RIGHTS;
                h->cmsg_len = CMSG_LEN(sizeof(int) * p->n_fds);
                memcpy(CMSG_DATA(h), fds, sizeof(int) * p->n_fds);
        }
        do
                n = sendmsg(fd, &mh, MSG_NOSIGNAL);
        while (n < 0 && errno == EINTR);
        return n < 0 ? -errno : 0;
}

static int serve(int fd, const struct worker_context *c) {
        for (;;) {
                struct worker_request request = { 0 };
                struct worker_reply reply;
                int in[WORKER_FDS_MAX] = { -1, -1 }, out[WORKER_FDS_MAX] = { -1, -1 };

                int r = receive_request(fd, &request, in);
                if (r > 0) {
                        worker_operate(c, &request, in, &reply, out);
                        close_all(in); /* before the answer: a fence must not live longer than the daemon
                                          thinks */
                        r = send_reply(fd, &reply, out);
                        close_all(out);
                        if (r >= 0)
                                continue;
                }
                close_all(in);
                return r == -EPIPE || r == -ECONNRESET ? 0 : r;
        }
}

static int parse_arguments(int argc, char **argv, const char **ret_root) {
        static const struct option options[] = {
                { "root", required_argument, NULL, 'r' },
                { "help", no_argument, NULL, 'h' },
                { "version", no_argument, NULL, 'v' },
                { 0 },
        };
        int c;

        while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0)
                switch (c) {
                case 'r':
                        *ret_root = optarg;
                        break;
                case 'h':
                        puts("vfctld-worker [--root DIR]\n\n"
                             "Does one kernel operation after another for vfctld, which is connected to\n"
                             "standard input or comes from systemd. See vfctld(8).");
                        exit(EXIT_SUCCESS);
                case 'v':
                        printf("vfctld-worker, protocol %u\n", WORKER_PROTOCOL_VERSION);
                        exit(EXIT_SUCCESS);
                default:
                        return -EINVAL;
                }
        if (optind == argc)
                return 0;
        fprintf(stderr, "vfctld-worker: unexpected argument '%s'\n", argv[optind]);
        return -EINVAL;
}

int main(int argc, char **argv) {
        const char *root = "/";
        struct worker_context c = { .root_fd = -1 };

        log_setup("vfctld-worker", LOG_INFO);
        if (parse_arguments(argc, argv, &root) < 0)
                return 2;
        int fd = sd_listen_fds(1) > 0 ? SD_LISTEN_FDS_START : STDIN_FILENO;
        int r = check_peer(fd, &c.client);
        if (r < 0) {
                log_error("no connection to serve: %s", errno_text(r));
                return EXIT_FAILURE;
        }
        _cleanup_close_ int root_fd = root_open(root);
        if (root_fd < 0) {
                log_error("cannot open %s: %s", root, errno_text(root_fd));
                return EXIT_FAILURE;
        }
        c.root_fd = root_fd;
        r = serve(fd, &c);
        if (r < 0)
                log_error("connection lost: %s", errno_text(r));
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
