/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vfctl plan: what the policy would change, as a diff of the hardware. */

#include "cli/options.h"
#include "cli/steps.h"
#include "cli/table.h"

#include <string.h>

struct plan_sum {
        int64_t make, alter, destroy;
        size_t steps, destructive /* and not pending */, blocked, pending;
};

struct plan_view {
        struct pf_names names;
        const char *pf; /* of the step before */
        struct plan_sum sum;
};

static enum colour colour_of_step(const struct step_record *s, const struct step_effect *e) {
        return s->destructive                ? COLOUR_BAD
               : e->change == CHANGE_MAKE    ? COLOUR_GOOD
               : e->change == CHANGE_ALTER   ? COLOUR_BUSY
               : e->change == CHANGE_REPLACE ? COLOUR_BAD
               : e->change == CHANGE_DESTROY ? COLOUR_BAD
                                             : COLOUR_NONE;
}

static void print_pf(struct plan_view *v, const char *pf) {
        const char *caption = pf_names_caption(&v->names, pf);

        if (v->pf && strcmp(v->pf, pf) == 0)
                return;
        printf("%s%s", v->pf ? "\n" : "", colour_on(COLOUR_BOLD));
        print_text("PF %s%s%s", pf, caption[0] ? "  " : "", caption);
        printf("%s\n", colour_off(COLOUR_BOLD));
        v->pf = pf;
}

static int print_hits(const struct step_record *s) {
        const char *who;
        json_t *e;
        size_t i;

        json_array_foreach(s->hits, i, e) {
                if (record_string(e, "hits", &who) < 0)
                        return EXIT_FAILED;
                print_text("        hits %s\n", who);
        }
        return 0;
}

/* What is pending waits for leases: that they are there is no obstacle of its own. */
static bool is_blocked(const struct step_record *s) {
        return s->blocked && !(s->pending && reason_from_name(s->reason) == REASON_LEASED);
}

static void print_obstacle(const struct step_record *s) {
        enum reason r = reason_from_name(s->reason);

        if (s->pending)
                printf("        pending: done by itself when the last lease of the PF ends; 'vfctl drain' keeps "
                       "new ones away\n");
        if (!is_blocked(s))
                return;
        if (r != REASON_NONE)
                print_text("        blocked: %s (%s); %s\n", reason_sentence(r), s->reason, reason_hint(r));
        else
                print_text("        blocked: not now (%s)\n", s->reason);
}

static int print_step(struct plan_view *v, json_t *step) {
        struct step_record s = { 0 };
        char buf[STEP_TEXT_MAX];

        if (record_step(step, &s) < 0)
                return EXIT_FAILED;
        struct step_effect e = step_effect(&s);
        enum colour c = colour_of_step(&s, &e);

        v->sum.steps++;
        v->sum.make += e.make;
        v->sum.alter += e.alter;
        v->sum.destroy += e.destroy;
        v->sum.destructive += s.destructive && !s.pending;
        v->sum.pending += s.pending;
        v->sum.blocked += is_blocked(&s);
        print_pf(v, pf_names_of(&v->names, s.address));
        printf("  %s%c %s%s ", colour_on(c), s.destructive ? '!' : ' ', change_sign(e.change), colour_off(c));
        print_text("%s\n", step_text(&s, buf));
        if (s.because[0])
                print_text("        because %s\n", s.because);
        int r = print_hits(&s);
        if (r == 0)
                print_obstacle(&s);
        return r;
}

static void print_sum(const struct plan_sum *s) {
        if (s->steps == 0) {
                printf("Nothing to do: the hardware is as the policy says.\n");
                return;
        }
        putchar('\n');
        if (s->destructive > 0)
                printf("Steps marked with ! are done by 'vfctl apply --destructive' only.\n");
        printf("Plan: %lld to make, %lld to change, %lld to destroy, %zu pending", (long long) s->make,
               (long long) s->alter, (long long) s->destroy, s->pending);
        if (s->blocked > 0)
                printf(", %zu blocked", s->blocked);
        printf(".\n");
}

static int print_plan(struct client *c, json_t *steps) {
        _cleanup_(pf_names_done) struct pf_names names = { 0 };
        struct plan_view v = { 0 };
        json_t *e;
        size_t i;
        int r = json_array_size(steps) > 0 ? pf_names_load(c, &names) : 0;

        v.names = names;
        json_array_foreach(steps, i, e)
                if (r == 0)
                        r = print_step(&v, e);
        if (r == 0 && !c->cli->no_legend)
                print_sum(&v.sum);
        return r;
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
        else if ((r = print_plan(&c, steps)) != 0)
                return r;
        return json_array_size(steps) > 0 ? EXIT_CHANGES : 0;
}
