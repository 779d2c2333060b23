/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vfctl: the table of verbs, global options, and what ends the program. */

#include "cli/options.h"
#include "cli/table.h"
#include "common/macro.h"
#include "config.h"

#include <fcntl.h>
#include <string.h>

#define DEFAULT_SOCKET "/run/vfctld/control"

static const struct verb verbs[] = {
        { "status", "", "Show the health of vfctld and what keeps it from its work", "  vfctl status\n",
          verb_status },
        { "list", "[pfs|vfs|leases|reservations|pools|tenants]",
          "List PFs, VFs (default), leases, reservations, pools, tenants",
          "  vfctl list vfs --pool net --state ready\n", verb_list },
        { "show", "ADDRESS|LEASE", "Show all about one PF, VF or lease", "  vfctl show 0000:01:10.0\n",
          verb_show },
        { "plan", "", "Show what the policy would change", "  vfctl plan\n", verb_plan },
        { "apply", "", "Carry the plan out", "  vfctl apply --destructive\n", verb_apply },
        { "acquire", "--tenant TENANT --vm VM --pool POOL…",
          "Lease VFs by their device nodes, until released",
          "  vfctl acquire --tenant red --pool net --vm web1 --user qemu\n"
          "  vfctl acquire --tenant red --vm db1 --pool net:2,vlan=100 --pool disk --wait\n",
          verb_acquire },
        { "run", "--tenant TENANT --vm VM --pool POOL… -- VMM ARGUMENTS…",
          "Lease VFs and become the VMM that uses them",
          "  vfctl run --tenant red --pool net --vm web1 -- \\\n"
          "      qemu-system-x86_64 -accel kvm -m 2G disk.qcow2\n"
          "  vfctl run --tenant red --vm db1 --pool net:2 --pool disk --wait=300 -- \\\n"
          "      qemu-system-x86_64 -accel kvm -m 8G disk.qcow2\n",
          verb_run },
        { "release", "LEASE…", "End leases", "  vfctl release 6d0f2a1b9c3e4875\n", verb_release },
        { "renew", "LEASE…", "Have leases last another maximum time from now on",
          "  vfctl renew 6d0f2a1b9c3e4875\n", verb_renew },
        { "reserve", "--tenant TENANT --vm VM --pool POOL…", "Promise VFs to a VM before it starts",
          "  vfctl reserve --tenant red --vm db1 --pool net:2 --pool disk\n", verb_reserve },
        { "unreserve", "--tenant TENANT --vm VM", "Take the promise back",
          "  vfctl unreserve --tenant red --vm db1\n", verb_unreserve },
        { "drain", "PF", "Keep new leases off a PF, and wait until its last one ends",
          "  vfctl drain 0000:01:00.0 --reason 'new firmware' --wait\n", verb_drain },
        { "undrain", "PF", "Let a PF be leased again", "  vfctl undrain 0000:01:00.0\n", verb_undrain },
        { "quarantine", "ADDRESS --reason TEXT", "Take a VF out of use",
          "  vfctl quarantine 0000:01:10.0 --reason 'ticket 4711'\n", verb_quarantine },
        { "clear", "ADDRESS --reason TEXT", "Give a quarantined VF another chance",
          "  vfctl clear 0000:01:10.0 --reason 'firmware updated'\n", verb_clear },
        { "rescan", "", "Have vfctld read the hardware again", "  vfctl rescan\n", verb_rescan },
        { "reload", "", "Have vfctld read the policy again", "  vfctl reload\n", verb_reload },
        { "monitor", "", "Show events as they happen", "  vfctl monitor --json\n", verb_monitor },
        { "top", "", "Show what VFs receive and send per second",
          "  vfctl top --by tenant --sort drops\n  vfctl top --once --json\n", verb_top },
        { "policy", "check|explain [FILE|DIRECTORY…]", "Check policy files, explain what a tenant may have",
          "  vfctl policy check --strict /etc/vfctl\n"
          "  vfctl policy explain --tenant red --pool net\n",
          verb_policy },
};

static void print_help(FILE *f) {
        fprintf(f, "Usage: vfctl [OPTIONS] VERB [ARGUMENTS…]\n\n"
                   "Leases SR-IOV virtual functions to virtual machines.\n\nVerbs:\n");
        FOREACH_ARRAY(v, verbs, ARRAY_SIZE(verbs))
                fprintf(f, "  %-10s %s\n", v->name, v->help);
}

static int unknown_verb(const char *name) {
        const char *names[ARRAY_SIZE(verbs)];

        for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
                names[i] = verbs[i].name;
        const char *near = nearest_word(name, names, ARRAY_SIZE(names));
        return usage_error(NULL, "there is no verb '%s'%s%s%s", name, near ? ", did you mean '" : "",
                           near ? near : "", near ? "'?" : "");
}

/* Descriptors that arrive must never land on 0, 1 or 2. */
static void open_standard_fds(void) {
        int fd;

        do
                fd = open("/dev/null", O_RDWR);
        while (fd >= 0 && fd <= 2);
        if (fd > 2)
                close(fd);
}

static int run(int argc, char **argv) {
        const char *env = getenv("VFCTL_SOCKET");
        struct cli cli = { .socket = env && env[0] ? env : DEFAULT_SOCKET };
        bool help = false, version = false;
        int next;
        int r = options_parse_global(&cli, argc, argv, &next, &help, &version);

        if (r != OPTIONS_GO_ON)
                return r;
        if (version) {
                printf("vfctl %s\n", VERSION);
                return 0;
        }
        if (help) {
                print_help(stdout);
                printf("\nOptions:\n");
                options_print_global();
                printf("\n'vfctl VERB --help' shows the options of a verb. See vfctl(1).\n");
                return 0;
        }
        if (next >= argc) {
                print_help(stderr);
                return EX_USAGE;
        }
        FOREACH_ARRAY(v, verbs, ARRAY_SIZE(verbs))
                if (strcmp(v->name, argv[next]) == 0)
                        return v->run(&cli, v, argc - next, argv + next);
        return unknown_verb(argv[next]);
}

int main(int argc, char **argv) {
        open_standard_fds();
        int r = run(argc, argv);

        if (fflush(stdout) != 0 || ferror(stdout)) {
                print_error("cannot write the output");
                return r != 0 ? r : EXIT_FAILED;
        }
        return r;
}
