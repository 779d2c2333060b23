/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The simulated worker: speaks daemon/worker-protocol.h on descriptor 0 like vfctld-worker, and acts on a
 * fake tree. With
 * --floor it does the same operations for every PF in a bare loop, which is what a daemon's figures are
 * compared with. */

#include "common/macro.h"
#include "simcontroller.h"
#include "simfault.h"
#include "simops.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

union control {
        struct cmsghdr align;
        char buf[CMSG_SPACE(sizeof(int) * WORKER_FDS_MAX)];
};

/* 1: a request; 0: the daemon closed; -errno. */
static int receive(struct worker_request *q, int fds[WORKER_FDS_MAX]) {
        union control control;
        struct iovec iov = { q, sizeof(*q) };
        struct msghdr mh = { .msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = control.buf,
                             .msg_controllen = sizeof(control.buf) };
        ssize_t n = recvmsg(STDIN_FILENO, &mh, MSG_CMSG_CLOEXEC);

        if (n <= 0)
                return n < 0 ? -errno : 0;
        struct cmsghdr *c = CMSG_FIRSTHDR(&mh);
        if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
                memcpy(fds, CMSG_DATA(c), MIN(c->cmsg_len - CMSG_LEN(0), WORKER_FDS_MAX * sizeof(int)));
        q->text[sizeof(q->text) - 1] = '\0';
        return n == sizeof(*q) && q->version == WORKER_PROTOCOL_VERSION && q->op < _WORKER_OP_MAX ? 1
                                                                                                  : -EPROTO;
}

static int answer(const struct worker_reply *p, const int *fds, size_t size) {
        union control control = { 0 };
        struct iovec iov = { (void *) p, size };
        struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };

        if (p->n_fds > 0) {
                mh.msg_control = control.buf;
                mh.msg_controllen = CMSG_SPACE(sizeof(int) * p->n_fds);
                struct cmsghdr *c = CMSG_FIRSTHDR(&mh);

                c->cmsg_level = SOL_SOCKET;
                c->cmsg_type = SCM_RIGHTS;
                c->cmsg_len = CMSG_LEN(sizeof(int) * p->n_fds);
                memcpy(CMSG_DATA(c), fds, sizeof(int) * p->n_fds);
        }
        return sendmsg(STDIN_FILENO, &mh, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* Zero would still be the rest of a timer's slack, for each operation. */
static void delay(unsigned ms) {
        if (ms > 0)
                usleep(ms * 1000);
}

static void wait_unhang(const struct sim *s) {
        while (!tree_exists(s, "sim/unhang") && tree_exists(s, "sim"))
                usleep(2000);
}

static void kill_daemon(const struct sim *s) {
        if (s->daemon > 1 && getppid() == s->daemon)
                kill(s->daemon, SIGKILL);
}

static void fail(struct worker_reply *p, const struct fault *f, int fds[WORKER_FDS_MAX]) {
        for (unsigned i = 0; i < WORKER_FDS_MAX; i++)
                close_fd(&fds[i]);
        p->n_fds = 0;
        p->error = -f->error;
        p->reason = f->reason;
        snprintf(p->detail, sizeof(p->detail), "%s", f->detail[0] ? f->detail : "simulated fault");
}

/* Does one request with its fault, if any. 1: answered or dropped on purpose; -errno: the link is gone. */
static int serve(const struct sim *s, const struct worker_request *q, const int in[WORKER_FDS_MAX]) {
        struct worker_reply p = { .version = WORKER_PROTOCOL_VERSION, .id = q->id };
        int out[WORKER_FDS_MAX] = { -1, -1 };
        uint64_t began = now_usec();
        struct fault f = { 0 };

        if (fault_take(s, q, &f))
                record_fault(q);
        delay(f.delay_ms);
        if (f.hang)
                wait_unhang(s);
        if (f.die == FAULT_BEFORE || f.die == FAULT_DURING)
                kill_daemon(s);
        if (f.die == FAULT_BEFORE || f.exit == FAULT_BEFORE)
                _exit(1);
        if ((f.error == 0 || f.late) && sim_check(s, q, &p))
                sim_operate(s, q, in, f.silent, &p, out);
        if (f.error != 0)
                fail(&p, &f, out);
        record_done(q, &p, began);
        delay(f.delay_after_ms);
        if (f.die == FAULT_AFTER)
                kill_daemon(s);
        if (f.exit == FAULT_AFTER)
                _exit(1);
        if (f.replies)
                p.value[0] = f.reply;
        if (f.badid)
                p.id += 1000000;
        int r = answer(&p, out, f.cut ? sizeof(p) / 2 : sizeof(p));
        for (unsigned i = 0; i < WORKER_FDS_MAX; i++)
                close_fd(&out[i]);
        return r < 0 ? r : 1;
}

static int serve_all(const struct sim *s) {
        int r;

        do {
                struct worker_request q;
                int fds[WORKER_FDS_MAX] = { -1, -1 };

                r = receive(&q, fds);
                if (r > 0)
                        r = serve(s, &q, fds);
                for (unsigned i = 0; i < WORKER_FDS_MAX; i++)
                        close_fd(&fds[i]);
        } while (r > 0);
        return r == 0 || r == -EPIPE || r == -ECONNRESET ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* "0000:01:00.0=4": what an administrator does with echo. */
static int enable_by_hand(const struct sim *s, const char *text) {
        char address[ADDRESS_STR_MAX + 1] = "";
        unsigned count;
        struct address pf;

        if (sscanf(text, "%16[^=]=%u", address, &count) != 2 || address_parse(address, &pf) < 0)
                return EXIT_FAILURE;
        return tree_numvfs(s, pf, count).error == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* "0000:01:00.0 online 2 0 0": what an administrator does with nvme-cli. Prints the status and the result. */
static int command_by_hand(const struct sim *s, const char *text) {
        char address[ADDRESS_STR_MAX + 1] = "", verb[32] = "";
        unsigned controller, nsid;
        unsigned long long value;
        struct address pf;

        if (sscanf(text, "%16s %31s %u %u %llu", address, verb, &controller, &nsid, &value) != 5 ||
            address_parse(address, &pf) < 0)
                return EXIT_FAILURE;
        for (enum verb v = 0; v < _VERB_MAX; v++)
                if (strcmp(controller_verb(v), verb) == 0) {
                        struct command c = { v, (uint16_t) controller, nsid, value, 0, 0 };
                        int status = controller_do(s, pf, &c);

                        printf("%d %llu\n", status, (unsigned long long) c.result);
                        return EXIT_SUCCESS;
                }
        return EXIT_FAILURE;
}

int main(int argc, char **argv) {
        static const struct option options[] = { { "root", required_argument, NULL, 'r' },
                                                 { "floor", no_argument, NULL, 'f' },
                                                 { "enable", required_argument, NULL, 'e' },
                                                 { "command", required_argument, NULL, 'c' },
                                                 { 0 } };
        struct sim s = { .root = -1, .daemon = getppid() };
        const char *enable = NULL, *command = NULL;
        bool floor = false;
        int c;

        while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
                if (c == 'r')
                        s.root = open(optarg, O_PATH | O_DIRECTORY | O_CLOEXEC);
                else if (c == 'f')
                        floor = true;
                else if (c == 'e')
                        enable = optarg;
                else if (c == 'c')
                        command = optarg;
                else
                        return EXIT_FAILURE;
        }
        umask(0); /* the daemon, the tests and we may be three users */
        if (s.root < 0 || record_open(&s) < 0) {
                perror("simworker");
                return EXIT_FAILURE;
        }
        /* A worker in the kernel hears no signal; SIGKILL remains for the tests */
        signal(SIGTERM, SIG_IGN);
        signal(SIGINT, SIG_IGN);
        if (command)
                return command_by_hand(&s, command);
        return enable ? enable_by_hand(&s, enable) : floor ? sim_floor(&s) : serve_all(&s);
}
