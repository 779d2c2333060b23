/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vfctl apply: has the plan carried out, and shows each step as it ends. */

#include "cli/options.h"
#include "cli/steps.h"
#include "cli/table.h"

#include <string.h>

struct progress {
        struct pf_names names;
        size_t pending;
};

/* PFs are worked on side by side: each line begins with its PF. 0 or an exit code. */
static int print_progress(struct progress *p, const struct applied_record *a) {
        struct step_record s = { 0 };
        char buf[STEP_TEXT_MAX];

        if (!a->step)
                return 0;
        if (record_step(a->step, &s) < 0)
                return EXIT_FAILED;
        const char *outcome = a->outcome ? a->outcome : "";
        enum colour c = !a->error ? COLOUR_GOOD : strcmp(outcome, "failed") == 0 ? COLOUR_BAD : COLOUR_BUSY;

        p->pending += strcmp(outcome, "pending") == 0;
        print_text("%s  ", pf_names_of(&p->names, s.address));
        printf("%s", colour_on(c));
        print_text("%-7s", outcome);
        printf("%s ", colour_off(c));
        print_text("%s%s%s\n", step_text(&s, buf), a->error ? ": " : "", a->error ? a->error : "");
        fflush(stdout);
        return 0;
}

static void print_sum(const struct progress *p, const struct applied_record *a) {
        if (a->done == 0 && a->failed == 0 && p->pending == 0) {
                printf("Nothing was done; see 'vfctl plan' for what is left.\n");
                return;
        }
        printf("\n%lld done, %lld failed", (long long) a->done, (long long) a->failed);
        if (a->skipped > 0)
                printf(", %lld skipped", (long long) a->skipped);
        if (p->pending > 0)
                printf(", %zu pending", p->pending);
        printf("\n");
        if (p->pending > 0)
                printf("What is pending is done by itself when the last lease of its PF ends; 'vfctl drain' keeps "
                       "new ones away.\n");
}

static int follow(struct client *c, struct progress *p) {
        const struct cli *cli = c->cli;
        bool more = true;

        for (;;) {
                _cleanup_json_ json_t *reply = NULL;
                struct applied_record a = { 0 };
                int r = client_next(c, &reply, &more);

                if (r != 0)
                        return r;
                if (record_applied(reply, &a) < 0)
                        return EXIT_FAILED;
                if (cli->json) {
                        print_json(reply);
                        fflush(stdout);
                } else if ((r = print_progress(p, &a)) != 0)
                        return r;
                if (more)
                        continue;
                if (!cli->json && !cli->no_legend)
                        print_sum(p, &a);
                return a.failed > 0 ? EXIT_FAILED : 0;
        }
}

static int apply(struct cli *cli, bool destructive, bool no_later) {
        _cleanup_client_ struct client c = CLIENT_CLOSED;
        _cleanup_(pf_names_done) struct pf_names names = { 0 };
        int r = client_open(&c, cli);

        if (r != 0 || (!cli->json && (r = pf_names_load(&c, &names)) != 0))
                return r;
        json_t *parameters = json_pack("{s:b}", "destructive", destructive);
        if (!parameters || (no_later && json_object_set_new(parameters, "later", json_false()) < 0))
                out_of_memory();
        r = client_start(&c, "Apply", parameters);
        struct progress p = { .names = names };
        return r != 0 ? r : follow(&c, &p);
}

int verb_apply(struct cli *cli, const struct verb *verb, int argc, char **argv) {
        bool destructive = false, no_later = false;
        const struct option options[] = {
                { "destructive", 0, NULL, "also what destroys VFs (never leased ones)", OPTION_FLAG,
                  &destructive },
                { "no-later", 0, NULL, "leave nothing pending for when leases end", OPTION_FLAG, &no_later },
        };
        int r = options_parse(cli, verb, options, ARRAY_SIZE(options), false, &argc, argv);

        if (r != OPTIONS_GO_ON)
                return r;
        return argc > 1 ? usage_error(verb, "takes no arguments") : apply(cli, destructive, no_later);
}
