/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vfctl plan and vfctl apply: what the policy would change, and having it done. */

#include "cli/client.h"
#include "cli/options.h"
#include "cli/records.h"
#include "cli/table.h"
#include "common/text.h"
#include "policy/plan.h"

#include <string.h>

#define STEP_TEXT_MAX 256

/* One line for a person; not escaped yet. */
static const char *step_text(const struct step_record *s, char *buf, size_t size) {
        struct step step = { 0 };
        bool numbers = s->from >= 0 && s->from <= VFS_PER_PF_MAX && s->to >= 0 && s->to <= VFS_PER_PF_MAX;

        for (unsigned k = 0; k < _STEP_KIND_MAX; k++)
                if (numbers && strcmp(step_kind_to_string((enum step_kind) k), s->kind) == 0 &&
                    address_parse(s->address, &step.address) == 0) {
                        step.kind = (enum step_kind) k;
                        step.from = (unsigned) s->from;
                        step.to = (unsigned) s->to;
                        return step_describe(&step, buf, size);
                }
        snprintf(buf, size, "%s %s", s->kind, s->address); /* a kind of a newer daemon */
        return buf;
}

struct plan_sum {
        size_t steps, destructive, blocked;
};

static int print_hits(const struct step_record *s) {
        _cleanup_free_ char *text = NULL;
        const char *name;
        json_t *e;
        size_t i;

        json_array_foreach(s->hits, i, e) {
                if (record_string(e, "hits", &name) < 0)
                        return EXIT_FAILED;
                if (text_append(&text, "%s%s", i > 0 ? ", " : "", name) < 0)
                        out_of_memory();
        }
        if (text)
                print_text("      %s: %s\n", s->blocked ? "in use by" : "hits", text);
        return 0;
}

static int print_step(json_t *v, struct plan_sum *sum) {
        struct step_record s = { 0 };
        char buf[STEP_TEXT_MAX];

        if (record_step(v, &s) < 0)
                return EXIT_FAILED;
        sum->steps++;
        sum->destructive += s.destructive;
        sum->blocked += s.blocked;
        enum colour c = s.destructive ? COLOUR_BAD : COLOUR_NONE;
        printf("%s%c%s ", colour_on(c), s.destructive ? '!' : ' ', colour_off(c));
        print_text("%s\n", step_text(&s, buf, sizeof(buf)));
        if (s.blocked) {
                enum reason r = reason_from_name(s.reason);

                print_text("      blocked: %s (%s)\n", r != REASON_NONE ? reason_sentence(r) : "not now",
                           s.reason);
                if (r != REASON_NONE)
                        print_text("      hint: %s\n", reason_hint(r));
        }
        return print_hits(&s);
}

static int print_plan(json_t *steps, bool legend) {
        struct plan_sum sum = { 0 };
        json_t *e;
        size_t i;
        int r;

        json_array_foreach(steps, i, e)
                if ((r = print_step(e, &sum)) != 0)
                        return r;
        if (!legend)
                return 0;
        if (sum.steps == 0) {
                printf("Nothing to do: the hardware is as the policy says.\n");
                return 0;
        }
        printf("\n%zu step%s", sum.steps, sum.steps == 1 ? "" : "s");
        if (sum.destructive > 0)
                printf(", %zu destructive (!), done by 'vfctl apply --destructive' only", sum.destructive);
        if (sum.blocked > 0)
                printf(", %zu blocked", sum.blocked);
        printf("\n");
        return 0;
}

int verb_plan(struct cli *cli, const struct verb *verb, int argc, char **argv) {
        _cleanup_client_ struct client c = CLIENT_CLOSED;
        _cleanup_json_ json_t *reply = NULL;
        json_t *steps;
        int r = options_parse(cli, verb, NULL, 0, false, &argc, argv);

        if (r != OPTIONS_GO_ON)
                return r;
        if (argc > 1)
                return usage_error(verb, "takes no arguments");
        if ((r = client_open(&c, cli)) != 0 || (r = client_call(&c, "Plan", NULL, &reply)) != 0)
                return r;
        if (record_array(reply, "steps", &steps) < 0)
                return EXIT_FAILED;
        if (cli->json)
                print_json(reply);
        else if ((r = print_plan(steps, !cli->no_legend)) != 0)
                return r;
        return json_array_size(steps) > 0 ? EXIT_CHANGES : 0;
}

/* One reply of Apply. 0 or an exit code. */
static int print_progress(const struct applied_record *a) {
        struct step_record s = { 0 };
        char buf[STEP_TEXT_MAX];

        if (!a->step)
                return 0;
        if (record_step(a->step, &s) < 0)
                return EXIT_FAILED;
        const char *word = a->error ? "failed" : s.blocked ? "blocked" : "done";
        enum colour c = a->error ? COLOUR_BAD : s.blocked ? COLOUR_BUSY : COLOUR_GOOD;
        printf("%s%-7s%s ", colour_on(c), word, colour_off(c));
        print_text("%s%s%s\n", step_text(&s, buf, sizeof(buf)), a->error ? ": " : "",
                   a->error ? a->error : "");
        fflush(stdout);
        return 0;
}

static int print_sum(const struct cli *cli, const struct applied_record *a) {
        if (!cli->json && !cli->no_legend) {
                if (a->done == 0 && a->failed == 0)
                        printf("Nothing was done; see 'vfctl plan' for what is left.\n");
                else
                        printf("\n%lld done, %lld failed\n", (long long) a->done, (long long) a->failed);
        }
        return a->failed > 0 ? EXIT_FAILED : 0;
}

int verb_apply(struct cli *cli, const struct verb *verb, int argc, char **argv) {
        _cleanup_client_ struct client c = CLIENT_CLOSED;
        bool destructive = false, more = true;
        const struct option options[] = {
                { "destructive", 0, NULL, "also what destroys VFs (never leased ones)", OPTION_FLAG,
                  &destructive },
        };
        int r = options_parse(cli, verb, options, ARRAY_SIZE(options), false, &argc, argv);

        if (r != OPTIONS_GO_ON)
                return r;
        if (argc > 1)
                return usage_error(verb, "takes no arguments");
        json_t *parameters = json_pack("{s:b}", "destructive", destructive);
        if (!parameters)
                out_of_memory();
        if ((r = client_open(&c, cli)) != 0) {
                json_decref(parameters);
                return r;
        }
        r = client_start(&c, "Apply", parameters);
        while (r == 0) {
                _cleanup_json_ json_t *reply = NULL;
                struct applied_record a = { 0 };

                if ((r = client_next(&c, &reply, &more)) != 0)
                        return r;
                if (record_applied(reply, &a) < 0)
                        return EXIT_FAILED;
                if (cli->json) {
                        print_json(reply);
                        fflush(stdout);
                } else if ((r = print_progress(&a)) != 0)
                        return r;
                if (!more)
                        return print_sum(cli, &a);
        }
        return r;
}
