/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vfctl run: leases VFs and becomes the VMM by exec, so that the lease lives as long as that process. */

#include "cli/lease.h"
#include "cli/options.h"
#include "cli/table.h"
#include "common/log.h"
#include "common/text.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

/* -ENOENT, -EACCES: why path cannot be executed; else 0. */
static int executable(const char *path) {
        struct stat st;

        if (stat(path, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return -EACCES;
        return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0 ? -errno : 0;
}

/* As execvp(3) would find it. *ret is the caller's. A file that is there but not executable is reported only
 * if no later directory has a better one. */
static int find_vmm(const char *name, char **ret) {
        const char *path = getenv("PATH");
        int result = -ENOENT;

        if (strchr(name, '/')) {
                *ret = strdup(name);
                if (!*ret)
                        out_of_memory();
                return executable(name);
        }
        for (path = path ? path : "/usr/local/bin:/usr/bin:/bin"; name[0]; path++) {
                size_t n = strcspn(path, ":");
                _cleanup_free_ char *file = NULL;

                if (asprintf(&file, "%.*s%s%s", (int) n, path, n > 0 ? "/" : "./", name) < 0)
                        out_of_memory();
                int r = executable(file);
                if (r == 0) {
                        *ret = TAKE_PTR(file);
                        return 0;
                }
                if (r != -ENOENT && r != -ENOTDIR)
                        result = r;
                path += n;
                if (!*path)
                        break;
        }
        return result;
}

static int cannot_execute(const char *name, int r, const char *consequence) {
        bool missing = r == -ENOENT || r == -ENOTDIR;

        print_error("run: cannot execute %s: %s; %s", name,
                    missing ? "no such program or interpreter" : errno_text(r), consequence);
        return missing ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
}

static void set_env(const char *name, const char *value) {
        if (setenv(name, value ? value : "", 1) < 0)
                out_of_memory();
}

/* What a script in the VMM's place needs to know. */
static int export_lease(const struct lease_got *l) {
        _cleanup_free_ char *addresses = NULL, *pools = NULL, *devices = NULL, *iommufds = NULL;

        for (size_t i = 0; i < l->n_devices; i++) {
                const struct vmm_device *d = l->devices + i;
                const char *space = i > 0 ? " " : "";
                struct leased_vf_record more = { 0 };

                if (lease_find_device(l, d->address, &more) < 0)
                        return EXIT_FAILED;
                if (text_append(&addresses, "%s%s", space, d->address) < 0 ||
                    text_append(&pools, "%s%s", space, more.pool) < 0 ||
                    (d->device_fd >= 0 && (text_append(&devices, "%s%d", space, d->device_fd) < 0 ||
                                           text_append(&iommufds, "%s%d", space, d->iommufd_fd) < 0)))
                        out_of_memory();
        }
        set_env("VFCTL_LEASE", l->id);
        set_env("VFCTL_ADDRESSES", addresses);
        set_env("VFCTL_POOLS", pools);
        set_env("VFCTL_HAND_OFF", hand_off_to_string(l->hand_off));
        set_env("VFCTL_DEVICE_FDS", devices);
        set_env("VFCTL_IOMMUFD_FDS", iommufds);
        return 0;
}

/* Only these outlive the exec; the rest of the reply's and the connection are close-on-exec. */
static int keep_fds(const struct lease_got *l) {
        for (size_t i = 0; i < l->n_devices; i++) {
                const struct vmm_device *d = l->devices + i;

                if (d->device_fd >= 0 &&
                    (fcntl(d->device_fd, F_SETFD, 0) < 0 || fcntl(d->iommufd_fd, F_SETFD, 0) < 0))
                        return -errno;
        }
        return 0;
}

/* For a person to read and, quoted, to paste into a shell. */
static void print_command(char *const *argv) {
        fputs("vfctl: executing", stderr);
        for (; *argv; argv++) {
                _cleanup_free_ char *safe = text_escape(*argv);
                bool plain = safe[0] && !safe[strcspn(safe, " \t\"'\\$`&|;<>()*?[]{}~#!")];

                fprintf(stderr, " %s", plain ? "" : "'");
                for (const char *p = safe; *p; p++)
                        fputs(*p == '\'' ? "'\\''" : (char[]){ *p, '\0' }, stderr);
                fputs(plain ? "" : "'", stderr);
        }
        fputc('\n', stderr);
}

struct run_command {
        char *const *argv; /* the VMM and its arguments, as given */
        size_t n;
        char *path; /* what is executed */
        bool verbose;
};

/* Returns only on failure. */
static int become(const struct run_command *command, const struct lease_got *l) {
        char **argv = NULL;
        int r = vmm_arguments(command->argv, command->n, l->devices, l->n_devices, &argv);

        if (r == -EINVAL) {
                print_error("run: a placeholder asks for what the lease does not have; the lease ends");
                return EXIT_FAILED;
        }
        if (r < 0)
                out_of_memory();
        if (command->verbose)
                print_command(argv);
        if (export_lease(l) != 0)
                return EXIT_FAILED;
        r = keep_fds(l);
        if (r == 0) {
                execv(command->path, argv);
                r = -errno;
        }
        vmm_free_arguments(argv);
        return cannot_execute(command->path, r, "the lease ends with this process");
}

static int acquire_and_become(struct cli *cli, const struct lease_ask *ask,
                              const struct run_command *command) {
        _cleanup_client_ struct client c = CLIENT_CLOSED;
        _cleanup_(lease_got_done) struct lease_got l = { 0 };
        int r = client_open(&c, cli);

        if (r != 0 || (r = lease_acquire(&c, ask, &l)) != 0)
                return r;
        client_done(&c);
        return become(command, &l);
}

static int hand_off_parse(const struct verb *verb, const char *text, enum hand_off *ret) {
        *ret = text ? hand_off_from_string(text) : HAND_OFF_AUTO;
        return *ret == _HAND_OFF_MAX ? usage_error(verb, "--hand-off: '%s' is none of auto, fd, node", text)
                                     : 0;
}

/* Everything that can be wrong is found before a lease is taken. */
static int prepare(const struct verb *verb, struct lease_ask *ask, const char *hand_off,
                   struct run_command *command) {
        char problem[160];
        const char *bad = NULL;
        int r = lease_ask_check(verb, ask);

        if (r != 0 || (r = hand_off_parse(verb, hand_off, &ask->hand_off)) != 0)
                return r;
        if (vmm_choose_hand_off(command->argv, command->n, ask->what.total, &ask->hand_off, problem,
                                sizeof(problem)) < 0)
                return usage_error(verb, "%s", problem);
        if (ask->memory == 0 && vmm_memory(command->argv, command->n, &ask->memory, &bad) < 0)
                return usage_error(verb, "cannot read the guest's memory from '%s', give --memory", bad);
        r = find_vmm(command->argv[0], &command->path);
        return r < 0 ? cannot_execute(command->argv[0], r, "no lease was taken") : 0;
}

int verb_run(struct cli *cli, const struct verb *verb, int argc, char **argv) {
        struct lease_ask ask = { .pid = -1, .uid = -1 };
        const char *hand_off = NULL;
        bool verbose = false;
        struct option options[LEASE_OPTIONS + 3];
        size_t n = lease_options(&ask, options);

        options[n++] = (struct option){ "hand-off",  0,        "HOW", "auto (default), fd or node",
                                        OPTION_TEXT, &hand_off };
        options[n++] = (struct option){ "memory",    0,
                                        "SIZE",      "guest memory, if the VMM's arguments do not tell",
                                        OPTION_SIZE, &ask.memory };
        options[n++] = (struct option){ "verbose",   'v',     NULL, "print the VMM's command line",
                                        OPTION_FLAG, &verbose };
        int r = options_parse(cli, verb, options, n, true, &argc, argv);

        if (r != OPTIONS_GO_ON)
                return r;
        if (argc < 2)
                return usage_error(verb, "needs a VMM after '--'");
        struct run_command command = { argv + 1, (size_t) argc - 1, NULL, verbose };
        r = prepare(verb, &ask, hand_off, &command);
        if (r == 0)
                r = acquire_and_become(cli, &ask, &command);
        free(command.path);
        return r;
}
