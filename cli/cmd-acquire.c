/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vfctl acquire: a lease by device nodes for a VMM that somebody else starts. */

#include "cli/lease.h"
#include "cli/options.h"
#include "cli/table.h"
#include "common/text.h"

#include <pwd.h>

static int user_parse(const char *text, int64_t *ret) {
        uint64_t uid;

        if (parse_u64(text, 10, &uid) == 0 && uid < UINT32_MAX) {
                *ret = (int64_t) uid;
                return 0;
        }
        const struct passwd *p = getpwnam(text);
        if (!p)
                return -1;
        *ret = p->pw_uid;
        return 0;
}

static int print_lease(const struct lease_got *l, const struct lease_ask *ask, bool legend) {
        static const char *const headers[] = { "ADDRESS", ">GROUP", "NODE", "POOL", "MAC", "QEMU" };
        _cleanup_table_ struct table *t = table_new(headers, ARRAY_SIZE(headers));
        char host[VMM_QEMU_HOST_MAX];

        for (size_t i = 0; i < l->n_devices; i++) {
                const struct vmm_device *d = l->devices + i;
                struct leased_vf_record more = { 0 };

                if (lease_find_device(l, d->address, &more) < 0)
                        return EXIT_FAILED;
                table_add(t, d->address);
                if (d->group >= 0)
                        table_addf(t, "%d", d->group);
                else
                        table_add(t, NULL);
                table_add(t, d->node);
                table_add(t, more.pool);
                table_add(t, more.attributes.mac);
                table_addf(t, "-device %s", vmm_qemu_host(d, i, host));
        }
        print_text("%s%s\n", legend ? "lease " : "", l->id);
        table_print(t, legend, "");
        if (legend && ask->kept)
                print_text("It is kept until 'vfctl release %s'.\n", l->id);
        else if (legend)
                printf("It ends with process %lld.\n", (long long) ask->pid);
        return 0;
}

static int acquire(struct cli *cli, const struct lease_ask *ask) {
        _cleanup_client_ struct client c = CLIENT_CLOSED;
        _cleanup_(lease_got_done) struct lease_got l = { 0 };
        int r = client_open(&c, cli);

        if (r != 0)
                return r;
        r = lease_acquire(&c, ask, &l);
        if (r != 0 && l.id && ask->kept)
                print_hint("a lease that nobody uses was left behind: 'vfctl release %s'", l.id);
        if (r != 0)
                return r;
        if (!cli->json)
                return print_lease(&l, ask, !cli->no_legend);
        print_json(l.reply);
        return 0;
}

int verb_acquire(struct cli *cli, const struct verb *verb, int argc, char **argv) {
        struct lease_ask ask = { .hand_off = HAND_OFF_NODE, .pid = -1, .uid = -1 };
        const char *user = NULL;
        uint64_t pid = 0;
        struct option options[LEASE_OPTIONS + 3];
        size_t n = lease_options(&ask, options);

        options[n++] = (struct option){ "pid",         0,   "PID", "end the lease with this process",
                                        OPTION_NUMBER, &pid };
        options[n++] = (struct option){ "user",      0,    "UID|NAME", "user the VMM runs as, gets the nodes",
                                        OPTION_TEXT, &user };
        options[n++] = (struct option){ "memory",    0,          "SIZE", "guest memory that the VMM locks",
                                        OPTION_SIZE, &ask.memory };
        int r = options_parse(cli, verb, options, n, false, &argc, argv);

        if (r != OPTIONS_GO_ON)
                return r;
        if (argc > 1)
                return usage_error(verb, "takes options only");
        if ((r = lease_ask_check(verb, &ask)) != 0)
                return r;
        if (pid > INT32_MAX)
                return usage_error(verb, "--pid: there is no process %llu", (unsigned long long) pid);
        if (user && user_parse(user, &ask.uid) < 0)
                return usage_error(verb, "--user: there is no user '%s'", user);
        ask.kept = pid == 0;
        if (pid > 0)
                ask.pid = (int64_t) pid;
        return acquire(cli, &ask);
}
