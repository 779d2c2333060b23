/* SPDX-License-Identifier: GPL-2.0-or-later */
/* GetStatistics: waits until the PFs were read, but not for long: one that does not answer keeps nobody from
 * seeing the others. */

#include "daemon/lease.h"
#include "daemon/methods.h"
#include "daemon/stats.h"

#include <errno.h>

struct stats_call {
        struct stats_call *next;
        struct connection *connection;
        sd_event_source *deadline;
        bool one_vf, one_pf;
        struct address vf, pf;
        uint64_t since; /* usec, monotonic: what was read before is too old */
};

static bool wants(const struct stats_call *call, const struct managed_vf *v) {
        return (!call->one_vf || address_equal(v->vf.address, call->vf)) &&
               method_may_see_vf(call->connection, v);
}

static bool wants_pf(const struct stats_call *call, const struct pf *pf) {
        if (!stats_has_interface(pf) || (call->one_pf && !address_equal(pf->address, call->pf)))
                return false;
        for (size_t i = 0; i < pf->n_vfs; i++)
                if (wants(call, managed_vf(pf->vfs[i])))
                        return true;
        return false;
}

/* Has whatever is not read yet be read, all PFs side by side. True: nothing is missing. */
static bool look(const struct stats_call *call) {
        struct manager *m = call->connection->manager;
        bool ready = true;

        for (size_t i = 0; i < m->inventory.n_pfs; i++)
                if (wants_pf(call, m->inventory.pfs[i]))
                        ready = stats_ready(m, m->inventory.pfs[i], call->since) && ready;
        return ready;
}

static json_t *counters_json(const struct vf_counters *c) {
        json_t *o = json_object();

        for (unsigned i = 0; i < _COUNTER_MAX; i++)
                json_object_set_new(o, vf_counter_name((enum vf_counter) i),
                                    json_integer((json_int_t) MIN(c->value[i], (uint64_t) INT64_MAX)));
        return o;
}

static json_t *statistics_json(const struct managed_vf *v, uint64_t since) {
        static const char *const known[] = {
                [STATS_KNOWN] = "known",
                [STATS_UNKNOWN] = "unknown",
                [STATS_UNSUPPORTED] = "unsupported",
        };
        const struct lease *l = lease_of_vf(v);
        struct vf_counters counters;
        uint64_t usec = 0;
        enum stats_known k = stats_of_vf(v, since, &counters, &usec);

        return json_pack("{s:o,s:o,s:o,s:o,s:o,s:s,s:I,s:o}", "address",
                         json_string(ADDRESS_STR(v->vf.address)), "pf",
                         json_string(ADDRESS_STR(v->vf.pf->address)), "lease",
                         json_string_or_null(v->vf.lease), "tenant",
                         json_string_or_null(l ? l->tenant : NULL), "vm",
                         json_string_or_null(l ? l->vm : NULL), "known", known[k], "read", (json_int_t) usec,
                         "counters", k == STATS_KNOWN ? counters_json(&counters) : json_null());
}

static void answer(const struct stats_call *call) {
        struct manager *m = call->connection->manager;
        json_t *list = json_array();

        for (size_t i = 0; i < m->inventory.n_pfs; i++) {
                const struct pf *pf = m->inventory.pfs[i];

                if (!wants_pf(call, pf))
                        continue;
                for (size_t j = 0; j < pf->n_vfs; j++)
                        if (wants(call, managed_vf(pf->vfs[j])))
                                json_array_append_new(list,
                                                      statistics_json(managed_vf(pf->vfs[j]), call->since));
        }
        connection_reply(call->connection, json_pack("{s:o}", "statistics", list));
}

static void call_remove(struct manager *m, struct stats_call *call) {
        for (struct stats_call **i = &m->stats_calls; *i; i = &(*i)->next)
                if (*i == call) {
                        *i = call->next;
                        break;
                }
        sd_event_source_disable_unref(call->deadline);
        free(call);
}

static void on_cancel(void *userdata) {
        struct stats_call *call = userdata;

        call_remove(call->connection->manager, call);
}

/* The connection may be gone afterwards, or have made its next call. */
static void finish(struct stats_call *call) {
        struct stats_call copy = *call;

        call_remove(call->connection->manager, call);
        answer(&copy);
}

static int on_deadline(sd_event_source *s, uint64_t usec, void *userdata) {
        finish(userdata);
        return 0;
}

void stats_calls_look(struct manager *m) {
        struct stats_call *call = m->stats_calls;

        while (call)
                if (look(call)) {
                        finish(call);
                        call = m->stats_calls; /* whatever else changed meanwhile */
                } else
                        call = call->next;
}

static int wait_for_workers(const struct stats_call *call) {
        struct manager *m = call->connection->manager;
        struct stats_call *c = malloc(sizeof(*c));

        if (!c)
                return -ENOMEM;
        *c = *call;
        int r = sd_event_add_time_relative(m->event, &c->deadline, CLOCK_MONOTONIC, STATS_PATIENCE_USEC,
                                           10000, on_deadline, c);
        if (r < 0) {
                free(c);
                return r;
        }
        c->next = m->stats_calls;
        m->stats_calls = c;
        connection_suspend(c->connection, on_cancel, c);
        return 0;
}

void method_get_statistics(struct connection *c, json_t *parameters) {
        struct stats_call call = { .connection = c };
        const char *vf = NULL, *pf = NULL;
        const struct json_field fields[] = {
                { "address", JSON_KIND_STRING, false, &vf },
                { "pf", JSON_KIND_STRING, false, &pf },
        };
        uint64_t now = 0;

        if (!method_parameters(c, parameters, fields, ARRAY_SIZE(fields)))
                return;
        call.one_vf = vf != NULL;
        call.one_pf = pf != NULL;
        if ((vf && address_parse(vf, &call.vf) < 0) || (pf && address_parse(pf, &call.pf) < 0)) {
                method_invalid(c, vf && address_parse(vf, &call.vf) < 0 ? "address" : "pf");
                return;
        }
        (void) sd_event_now(c->manager->event, CLOCK_MONOTONIC, &now);
        call.since = now - MIN(now, STATS_KEEP_USEC);
        if (look(&call))
                answer(&call);
        else if (wait_for_workers(&call) < 0)
                connection_fail(c, -ENOMEM, "out of memory");
}

void stats_calls_stop(struct manager *m) {
        while (m->stats_calls)
                call_remove(m, m->stats_calls);
}
