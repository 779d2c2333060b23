/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vfctl drain, undrain: keeps new leases off a PF, and waits until the last one it has is over. */

#include "cli/client.h"
#include "cli/options.h"
#include "cli/records.h"
#include "cli/table.h"
#include "common/address.h"
#include "common/text.h"

#include <poll.h>
#include <string.h>
#include <time.h>

/* The connections of calls and of events are not ordered: an end that comes between Drain and the daemon's
 * look at Monitor would be missed, so a quiet first second is followed by one more look. */
#define FIRST_LOOK_MSEC 1000

struct drain {
        struct client calls, events;
        const char *pf;
        bool wait, limited;
        int64_t deadline; /* msec of CLOCK_MONOTONIC, if limited */
        json_t *leases;   /* those that hold a VF of the PF, owned */
};

static int64_t now_msec(void) {
        struct timespec t = { 0 };

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (int64_t) t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void drain_done(struct drain *d) {
        client_done(&d->calls);
        client_done(&d->events);
        json_decref(d->leases);
}

/* 1 or 0; -EPROTO after a message. */
static int holds_vf_of(const struct lease_record *l, const char *pf) {
        json_t *e;
        size_t i;

        json_array_foreach(l->devices, i, e) {
                struct leased_vf_record d = { 0 };
                int r = record_leased_vf(e, &d);

                if (r < 0)
                        return r;
                if (strcmp(d.pf, pf) == 0)
                        return 1;
        }
        return 0;
}

/* Replaces d->leases by those of a reply that hold a VF of the PF. *ret_changed: they are others than before.
 */
static int take_leases(struct drain *d, json_t *reply, bool *ret_changed) {
        _cleanup_json_ json_t *held = json_array();
        json_t *leases, *e;
        size_t i;

        if (!held)
                out_of_memory();
        if (record_array(reply, "leases", &leases) < 0)
                return EXIT_FAILED;
        json_array_foreach(leases, i, e) {
                struct lease_record l = { 0 };
                int r = record_lease(e, &l) < 0 ? -1 : holds_vf_of(&l, d->pf);

                if (r < 0)
                        return EXIT_FAILED;
                if (r > 0 && json_array_append(held, e) < 0)
                        out_of_memory();
        }
        *ret_changed = !d->leases || json_array_size(held) != json_array_size(d->leases);
        json_decref(d->leases);
        d->leases = TAKE_PTR(held);
        return 0;
}

static int print_held(const struct drain *d) {
        static const char *const headers[] = { "LEASE", "TENANT", "VM", ">PID", "VFS" };
        _cleanup_table_ struct table *t = table_new(headers, ARRAY_SIZE(headers));
        size_t n = json_array_size(d->leases), i;
        bool legend = !d->calls.cli->no_legend;
        json_t *e;

        json_array_foreach(d->leases, i, e) {
                _cleanup_free_ char *vfs = NULL;
                struct lease_record l = { 0 };

                if (record_lease(e, &l) < 0 || record_strings(l.vfs, "vfs", ",", &vfs) < 0)
                        return EXIT_FAILED;
                table_add(t, l.id);
                table_add(t, l.tenant);
                table_add(t, l.vm);
                if (l.pid > 0)
                        table_addf(t, "%lld", (long long) l.pid);
                else
                        table_add(t, "kept");
                table_add(t, vfs);
        }
        if (legend && n == 0)
                print_text("%s is drained, no lease holds a VF of it.\n", d->pf);
        else if (legend)
                print_text("%s is drained, %zu lease%s a VF of it:\n", d->pf, n,
                           n == 1 ? " holds" : "s hold");
        if (n > 0)
                table_print(t, legend, "");
        return 0;
}

static int report(const struct drain *d) {
        int r = 0;

        if (d->calls.cli->json) {
                _cleanup_json_ json_t *o = json_pack("{s:O}", "leases", d->leases);

                if (!o)
                        out_of_memory();
                print_json(o);
        } else
                r = print_held(d);
        fflush(stdout);
        return r;
}

/* Somebody may take the drain back, or pull the card, while we wait. */
static int still_drained(struct drain *d) {
        _cleanup_json_ json_t *reply = NULL;
        json_t *pfs, *e;
        size_t i;
        int r = client_call(&d->calls, "ListPFs", NULL, &reply);

        if (r != 0)
                return r;
        if (record_array(reply, "pfs", &pfs) < 0)
                return EXIT_FAILED;
        json_array_foreach(pfs, i, e) {
                struct pf_record p = { 0 };

                if (record_pf(e, &p) < 0)
                        return EXIT_FAILED;
                if (strcmp(p.address, d->pf) == 0 && p.drained)
                        return 0;
        }
        print_error("%s is not drained any more", d->pf);
        print_hint("see 'vfctl show %s'", d->pf);
        return EXIT_FAILED;
}

static int look_again(struct drain *d) {
        _cleanup_json_ json_t *reply = NULL;
        bool changed = false;
        int r = client_call(&d->calls, "ListLeases", NULL, &reply);

        if (r != 0 || (r = take_leases(d, reply, &changed)) != 0)
                return r;
        if (json_array_size(d->leases) > 0 && (r = still_drained(d)) != 0)
                return r;
        return changed ? report(d) : 0;
}

/* Waits for an event at most so long (msec, -1: for ever). *ret_relevant: leases may be others now; without
 * an event it is left alone, and *ret_any is false. */
static int next_event(struct drain *d, int timeout, bool *ret_any, bool *ret_relevant) {
        struct pollfd p = { .fd = d->events.stream.fd, .events = POLLIN };
        _cleanup_json_ json_t *reply = NULL;
        struct event_record e = { 0 };
        bool more = false;
        json_t *event;

        *ret_any = false;
        if (!client_has_more(&d->events) && poll(&p, 1, timeout) <= 0)
                return 0;
        int r = client_next(&d->events, &reply, &more);
        if (r != 0)
                return r;
        if (record_object(reply, "event", &event) < 0 || record_event(event, &e) < 0)
                return EXIT_FAILED;
        *ret_any = true;
        if (strcmp(e.kind, "lease") == 0 ||
            (strcmp(e.kind, "pf") == 0 && e.address && strcmp(e.address, d->pf) == 0))
                *ret_relevant = true;
        return 0;
}

static int timeout_msec(const struct drain *d, bool first) {
        int64_t left = d->limited ? MAX(d->deadline - now_msec(), (int64_t) 0) : INT32_MAX;

        if (first)
                return (int) MIN(left, (int64_t) FIRST_LOOK_MSEC);
        return d->limited ? (int) MIN(left, (int64_t) INT32_MAX) : -1;
}

static int wait_until_free(struct drain *d) {
        bool first = true, any, relevant;
        int r;

        while (json_array_size(d->leases) > 0) {
                relevant = false;
                r = next_event(d, timeout_msec(d, first), &any, &relevant);
                /* many leases may end at once: one look for all events that are there */
                while (r == 0 && any)
                        r = next_event(d, 0, &any, &relevant);
                if (r == 0 && (relevant || first))
                        r = look_again(d);
                if (r != 0)
                        return r;
                first = false;
                if (d->limited && json_array_size(d->leases) > 0 && now_msec() >= d->deadline) {
                        print_error("leases still hold VFs of %s", d->pf);
                        print_hint("it stays drained; 'vfctl undrain %s' takes that back", d->pf);
                        return EX_TEMPFAIL;
                }
        }
        return 0;
}

static int drain(struct cli *cli, struct drain *d, json_t *parameters_taken) {
        _cleanup_json_ json_t *parameters = parameters_taken, *reply = NULL;
        bool changed;
        int r = 0;

        /* before the drain, so that no end is missed */
        if (d->wait && (r = client_open(&d->events, cli)) == 0)
                r = client_start(&d->events, "Monitor", NULL);
        if (r != 0 || (r = client_open(&d->calls, cli)) != 0 ||
            (r = client_call(&d->calls, "Drain", TAKE_PTR(parameters), &reply)) != 0 ||
            (r = take_leases(d, reply, &changed)) != 0 || (r = report(d)) != 0)
                return r;
        return d->wait ? wait_until_free(d) : 0;
}

/* The only argument as an address, written as the daemon does. */
static int address_argument(const struct verb *verb, int argc, char **argv, char ret[ADDRESS_STR_MAX]) {
        struct address a;

        if (argc != 2)
                return usage_error(verb, "needs the address of one PF, see 'vfctl list pfs'");
        if (address_parse(argv[1], &a) < 0)
                return usage_error(verb, "'%s' is not an address such as 0000:01:00.0", argv[1]);
        address_format(a, ret);
        return 0;
}

int verb_drain(struct cli *cli, const struct verb *verb, int argc, char **argv) {
        _cleanup_(drain_done) struct drain d = { .calls = CLIENT_CLOSED, .events = CLIENT_CLOSED };
        const char *reason = NULL;
        struct option_wait wait = { 0 };
        const struct option options[] = {
                { "reason", 0, "TEXT", "why, for the journal and for 'vfctl show'", OPTION_TEXT, &reason },
                { "wait", 0, "SECONDS", "until no lease holds a VF of it", OPTION_WAIT, &wait },
        };
        char pf[ADDRESS_STR_MAX];
        int r = options_parse(cli, verb, options, ARRAY_SIZE(options), false, &argc, argv);

        if (r != OPTIONS_GO_ON)
                return r;
        if ((r = address_argument(verb, argc, argv, pf)) != 0)
                return r;
        d.pf = pf;
        d.wait = wait.given;
        d.limited = wait.limited;
        d.deadline = now_msec() + (int64_t) wait.seconds * 1000;
        json_t *parameters = new_object();
        put_text(parameters, "address", pf);
        put_text(parameters, "reason", reason);
        return drain(cli, &d, parameters);
}

int verb_undrain(struct cli *cli, const struct verb *verb, int argc, char **argv) {
        _cleanup_client_ struct client c = CLIENT_CLOSED;
        _cleanup_json_ json_t *reply = NULL;
        char pf[ADDRESS_STR_MAX];
        int r = options_parse(cli, verb, NULL, 0, false, &argc, argv);

        if (r != OPTIONS_GO_ON)
                return r;
        if ((r = address_argument(verb, argc, argv, pf)) != 0 || (r = client_open(&c, cli)) != 0)
                return r;
        json_t *parameters = new_object();
        put_text(parameters, "address", pf);
        r = client_call(&c, "Undrain", parameters, &reply);
        if (r == 0 && cli->json)
                print_json(reply);
        return r;
}
