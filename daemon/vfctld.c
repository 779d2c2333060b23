/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vfctld(8): options, signals, the loop. */

#include "common/root.h"
#include "common/text.h"
#include "config.h"
#include "daemon/manager.h"
#include "daemon/nvme.h"
#include "daemon/reconcile.h"
#include "daemon/server.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <systemd/sd-daemon.h>

static const char *arg_root = "/";
static const char *arg_worker_exec;
static enum backend arg_fence = BACKEND_NONE;
static unsigned arg_workers = 16;
static unsigned arg_worker_timeout = 60;
static int arg_log_level = LOG_INFO;

static const char help[] =
                "vfctld [OPTION…]\n\n"
                "Owns the SR-IOV virtual functions of this host: enables, fences and leases them.\n\n"
                "  --root DIR              work on the tree below DIR instead of the running system\n"
                "  --worker-exec PROGRAM   start PROGRAM as worker instead of connecting to " WORKER_SOCKET
                "\n"
                "  --workers N             operations at the same time, 1 to 256 (16)\n"
                "  --worker-timeout SEC    an operation that takes longer is abandoned, 1 to 3600 (60)\n"
                "  --fence BACKEND         auto, group or iommufd (auto)\n"
                "  --log-level LEVEL       error, warning, notice, info or debug (info)\n"
                "  --version, --help\n\n"
                "See vfctld(8).\n";

static int parse_number(const char *option, const char *text, unsigned max, unsigned *ret) {
        uint64_t v;

        if (parse_u64(text, 10, &v) < 0 || v < 1 || v > max) {
                fprintf(stderr, "vfctld: %s takes a number from 1 to %u, not \"%s\"\n", option, max, text);
                return -EINVAL;
        }
        *ret = (unsigned) v;
        return 0;
}

static int parse_fence(const char *text) {
        if (strcmp(text, "auto") == 0)
                arg_fence = BACKEND_NONE;
        else if (strcmp(text, "group") == 0)
                arg_fence = BACKEND_GROUP;
        else if (strcmp(text, "iommufd") == 0)
                arg_fence = BACKEND_IOMMUFD;
        else {
                fprintf(stderr, "vfctld: --fence takes auto, group or iommufd, not \"%s\"\n", text);
                return -EINVAL;
        }
        return 0;
}

static int parse_log_level(const char *text) {
        static const struct {
                const char *name;
                int level;
        } levels[] = { { "error", LOG_ERR },
                       { "warning", LOG_WARNING },
                       { "notice", LOG_NOTICE },
                       { "info", LOG_INFO },
                       { "debug", LOG_DEBUG } };

        FOREACH_ARRAY(l, levels, ARRAY_SIZE(levels))
                if (strcmp(l->name, text) == 0) {
                        arg_log_level = l->level;
                        return 0;
                }
        fprintf(stderr, "vfctld: unknown log level \"%s\"\n", text);
        return -EINVAL;
}

/* 1: go on; 0: done; -EINVAL. */
static int parse_arguments(int argc, char *argv[]) {
        enum { ROOT = 256, WORKER_EXEC, WORKERS, WORKER_TIMEOUT, FENCE, LOG_LEVEL, VERSION_OPTION };
        static const struct option options[] = {
                { "root", required_argument, NULL, ROOT },
                { "worker-exec", required_argument, NULL, WORKER_EXEC },
                { "workers", required_argument, NULL, WORKERS },
                { "worker-timeout", required_argument, NULL, WORKER_TIMEOUT },
                { "fence", required_argument, NULL, FENCE },
                { "log-level", required_argument, NULL, LOG_LEVEL },
                { "version", no_argument, NULL, VERSION_OPTION },
                { "help", no_argument, NULL, 'h' },
                { 0 },
        };
        int c, r = 0;

        while (r >= 0 && (c = getopt_long(argc, argv, "h", options, NULL)) >= 0)
                switch (c) {
                case ROOT:
                        arg_root = optarg;
                        break;
                case WORKER_EXEC:
                        arg_worker_exec = optarg;
                        break;
                case WORKERS:
                        r = parse_number("--workers", optarg, 256, &arg_workers);
                        break;
                case WORKER_TIMEOUT:
                        r = parse_number("--worker-timeout", optarg, 3600, &arg_worker_timeout);
                        break;
                case FENCE:
                        r = parse_fence(optarg);
                        break;
                case LOG_LEVEL:
                        r = parse_log_level(optarg);
                        break;
                case VERSION_OPTION:
                        puts("vfctld " VERSION);
                        return 0;
                case 'h':
                        fputs(help, stdout);
                        return 0;
                default:
                        return -EINVAL;
                }
        if (r < 0)
                return r;
        if (optind < argc) {
                fprintf(stderr, "vfctld: unexpected argument \"%s\"\n", argv[optind]);
                return -EINVAL;
        }
        return 1;
}

static int on_reload(sd_event_source *s, const struct signalfd_siginfo *si, void *userdata) {
        sd_notify(false, "RELOADING=1");
        manager_reload(userdata); /* logs its own failure; the old policy stays */
        sd_notify(false, "READY=1");
        return 0;
}

static int on_rescan(sd_event_source *s, const struct signalfd_siginfo *si, void *userdata) {
        nvme_doubt_all(userdata);
        reconcile_rescan_all(userdata);
        return 0;
}

static int add_signals(sd_event *event, struct manager *m) {
        sigset_t mask;

        sigemptyset(&mask);
        sigaddset(&mask, SIGTERM);
        sigaddset(&mask, SIGINT);
        sigaddset(&mask, SIGHUP);
        sigaddset(&mask, SIGUSR1);
        if (sigprocmask(SIG_BLOCK, &mask, NULL) < 0)
                return -errno;
        signal(SIGPIPE, SIG_IGN);
        if (arg_worker_exec)
                signal(SIGCHLD, SIG_IGN); /* workers are disposable: nobody waits for them */
        int r = sd_event_add_signal(event, NULL, SIGTERM, NULL, NULL);
        if (r >= 0)
                r = sd_event_add_signal(event, NULL, SIGINT, NULL, NULL);
        if (r >= 0)
                r = sd_event_add_signal(event, NULL, SIGHUP, on_reload, m);
        if (r >= 0)
                r = sd_event_add_signal(event, NULL, SIGUSR1, on_rescan, m);
        return r;
}

/* A fence is a descriptor, a VM being handed over three more. */
static void raise_nofile(void) {
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
                limit.rlim_cur = limit.rlim_max;
                setrlimit(RLIMIT_NOFILE, &limit);
        }
}

static int setup(sd_event *event, struct manager *m) {
        const struct worker_link_config config = {
                .socket = WORKER_SOCKET,
                .program = arg_worker_exec,
                .root_path = arg_root,
                .workers_max = arg_workers,
                .timeout_usec = (uint64_t) arg_worker_timeout * 1000000,
                .on_return = reconcile_worker_returned,
                .userdata = m,
        };
        _cleanup_free_ char *socket_path = NULL;

        m->root_path = arg_root;
        m->fence_forced = arg_fence;
        m->root_fd = root_open(arg_root);
        if (m->root_fd < 0) {
                log_error("cannot open %s: %s", arg_root, errno_text(m->root_fd));
                return m->root_fd;
        }
        int r = worker_link_new(event, &config, &m->link);
        if (r < 0)
                return r;
        r = manager_start(m);
        if (r < 0)
                return r;
        if (asprintf(&socket_path, "%s/run/vfctld/control", strcmp(arg_root, "/") == 0 ? "" : arg_root) < 0)
                return -ENOMEM;
        r = server_new(m, socket_path, &m->server);
        if (r < 0)
                log_error("cannot listen at %s: %s", socket_path, errno_text(r));
        return r;
}

static int run(void) {
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        _cleanup_(manager_freep) struct manager *m = NULL;

        raise_nofile();
        int r = sd_event_new(&event);
        if (r >= 0)
                r = manager_new(event, &m);
        if (r >= 0)
                r = add_signals(event, m);
        if (r >= 0)
                r = setup(event, m);
        if (r >= 0)
                r = sd_event_set_watchdog(event, true);
        if (r >= 0)
                r = sd_event_loop(event);
        sd_notify(false, "STOPPING=1");
        if (r < 0)
                log_error("giving up: %s", errno_text(r));
        return r;
}

int main(int argc, char *argv[]) {
        int r = parse_arguments(argc, argv);

        if (r <= 0)
                return r < 0 ? 64 : 0;
        log_setup("vfctld", arg_log_level);
        return run() < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
