/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vfctl status: the health of the daemon in a few lines. */

#include "cli/client.h"
#include "cli/options.h"
#include "cli/records.h"
#include "cli/table.h"
#include "common/model.h"

#include <string.h>

static void print_state_count(const char **separator, const char *state, json_t *counts) {
        long long n = json_integer_value(json_object_get(counts, state));

        if (n == 0)
                return;
        enum colour c = colour_of_state(state);
        printf("%s%lld %s%s%s", *separator, n, colour_on(c), state, colour_off(c));
        *separator = ", ";
}

/* In the order of a VF's life; states of a newer daemon are left to --json. */
static void print_states(json_t *counts) {
        const char *separator = " (";

        for (unsigned s = 0; s < _VF_STATE_MAX; s++)
                print_state_count(&separator, vf_state_to_string((enum vf_state) s), counts);
        if (separator[0] == ',')
                putchar(')');
}

static int print_policy(const struct status_record *s) {
        json_t *e;
        size_t i;
        enum colour c = s->policy_valid ? COLOUR_GOOD : COLOUR_BAD;

        printf("policy:   %s%s%s\n", colour_on(c), s->policy_valid ? "valid" : "not valid", colour_off(c));
        json_array_foreach(s->policy_errors, i, e) {
                struct policy_error_record p = { 0 };

                if (record_policy_error(e, &p) < 0)
                        return EXIT_FAILED;
                print_policy_error(stdout, "  ", &p);
        }
        return 0;
}

static int print_problems(const struct status_record *s) {
        json_t *e;
        size_t i;

        printf("problems:%s\n", json_array_size(s->problems) > 0 ? "" : " none");
        json_array_foreach(s->problems, i, e) {
                struct problem_record p = { 0 };

                if (record_problem(e, &p) < 0)
                        return EXIT_FAILED;
                print_text("  %s%s%s (%s)\n", p.address ? p.address : "", p.address ? ": " : "", p.message,
                           p.reason);
                if (p.hint[0])
                        print_text("    hint: %s\n", p.hint);
        }
        return 0;
}

/* How many elements of a listing say so; -1 if this user may not ask. */
static int64_t count_members(struct client *c, const char *method, const char *key, const char *member) {
        _cleanup_json_ json_t *reply = NULL;
        _cleanup_free_ char *error = NULL;
        json_t *list, *e;
        int64_t n = 0;
        size_t i;

        if (client_try(c, method, NULL, &reply, &error) != 0 || error ||
            !json_is_array(list = json_object_get(reply, key)))
                return -1;
        json_array_foreach(list, i, e) {
                json_t *v = json_object_get(e, member);

                n += json_is_true(v) || json_is_string(v);
        }
        return n;
}

static void print_count(int64_t n, const char *what) {
        if (n > 0)
                printf(" (%s%lld %s%s)", colour_on(COLOUR_BUSY), (long long) n, what,
                       colour_off(COLOUR_BUSY));
}

static int print_status(struct client *c, const struct status_record *s) {
        print_text("vfctld %s: %s\n", s->version, s->ready ? "ready" : "not ready");
        int r = print_policy(s);

        if (r != 0)
                return r;
        print_text("fence:    %s\n", s->fence_backend);
        printf("hand-off: %s\n", s->can_fd && s->can_node ? "fd, node"
                                 : s->can_fd              ? "fd"
                                 : s->can_node            ? "node"
                                                          : "none");
        printf("PFs:      %lld", (long long) s->pfs);
        print_count(count_members(c, "ListPFs", "pfs", "drained"), "drained");
        printf("\nVFs:      %lld", (long long) s->vfs);
        print_states(s->vf_states);
        printf("\nleases:   %lld", (long long) s->leases);
        print_count(count_members(c, "ListLeases", "leases", "over_policy"), "over policy");
        print_count(count_members(c, "ListReservations", "reservations", "over_policy"),
                    "reserved over policy");
        putchar('\n');
        if (s->lost_faults > 0)
                printf("faults:   %s%lld messages or more may be missing in the kernel log%s\n",
                       colour_on(COLOUR_BUSY), (long long) s->lost_faults, colour_off(COLOUR_BUSY));
        return print_problems(s);
}

int verb_status(struct cli *cli, const struct verb *verb, int argc, char **argv) {
        _cleanup_client_ struct client c = CLIENT_CLOSED;
        _cleanup_json_ json_t *reply = NULL;
        struct status_record s = { 0 };
        json_t *status;
        int r = options_parse(cli, verb, NULL, 0, false, &argc, argv);

        if (r != OPTIONS_GO_ON)
                return r;
        if (argc > 1)
                return usage_error(verb, "takes no arguments");
        if ((r = client_open(&c, cli)) != 0 || (r = client_call(&c, "GetStatus", NULL, &reply)) != 0)
                return r;
        if (record_object(reply, "status", &status) < 0 || record_status(status, &s) < 0)
                return EXIT_FAILED;
        if (cli->json)
                print_json(reply);
        else if ((r = print_status(&c, &s)) != 0)
                return r;
        return s.ready && s.policy_valid && json_array_size(s.problems) == 0 ? 0 : EXIT_FAILED;
}
