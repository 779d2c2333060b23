/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Methods by which a tenant asks for VFs: strict parameters to a request. */

#include "daemon/acquire.h"
#include "daemon/attributes-json.h"
#include "daemon/methods.h"
#include "daemon/reservation.h"
#include "daemon/to-json.h"
#include "policy/explain.h"

#include <limits.h>
#include <string.h>

/* Parameters that Acquire and Reserve share. */
struct ask {
        struct request *request;
        json_t *wants;
        bool has_pool; /* the short form, in want[0] */
        const char *pool, *mac;
        int64_t count, vlan, min_tx, max_tx, numa_node;
};

#define ASK(r)                                                                                               \
        { .request = (r), .count = 1, .vlan = -1, .min_tx = -1, .max_tx = -1, .numa_node = NUMA_NODE_ANY }

/* One member of wants, or the short form: NULL, or the name of what is bad. */
static const char *fill_want(const struct ask *a, struct want *w) {
        const struct {
                const char *name;
                int64_t value, max;
        } numbers[] = {
                { "vlan", a->vlan, VLAN_ID_MAX },
                { "min_tx_mbps", a->min_tx, UINT32_MAX },
                { "max_tx_mbps", a->max_tx, UINT32_MAX },
        };

        if (a->count < 1 || a->count > ACQUIRE_COUNT_MAX)
                return "count";
        FOREACH_ARRAY(n, numbers, ARRAY_SIZE(numbers))
                if (n->value < -1 || n->value > n->max)
                        return n->name;
        *w = (struct want){ .pool = a->pool, .count = (unsigned) a->count };
        if (a->mac && (mac_parse(a->mac, &w->chosen.mac) < 0 || !mac_is_unicast(w->chosen.mac)))
                return "mac";
        w->chosen.set = (a->mac ? ATTR_MAC : 0) | (a->vlan >= 0 ? ATTR_VLAN : 0) |
                        (a->min_tx >= 0 ? ATTR_MIN_TX : 0) | (a->max_tx >= 0 ? ATTR_MAX_TX : 0);
        w->chosen.vlan = a->vlan >= 0 ? (uint16_t) a->vlan : 0;
        w->chosen.min_tx_mbps = a->min_tx >= 0 ? (uint32_t) a->min_tx : 0;
        w->chosen.max_tx_mbps = a->max_tx >= 0 ? (uint32_t) a->max_tx : 0;
        return NULL;
}

static const char *parse_want(json_t *v, struct want *w) {
        struct ask a = ASK(NULL);
        const char *bad = "wants";
        const struct json_field fields[] = {
                { "pool", JSON_KIND_STRING, true, &a.pool },
                { "count", JSON_KIND_INT, false, &a.count },
                { "mac", JSON_KIND_STRING, false, &a.mac },
                { "vlan", JSON_KIND_INT, false, &a.vlan },
                { "min_tx_mbps", JSON_KIND_INT, false, &a.min_tx },
                { "max_tx_mbps", JSON_KIND_INT, false, &a.max_tx },
        };

        if (!json_is_object(v) || json_dispatch(v, fields, ARRAY_SIZE(fields), &bad) < 0)
                return bad;
        return fill_want(&a, w);
}

/* NULL, or the name of the parameter that is bad. */
static const char *fill_request(const struct ask *a) {
        struct request *r = a->request;
        const char *bad;
        json_t *v;
        size_t i;

        r->numa_node = NUMA_NODE_ANY;
        if (a->numa_node != NUMA_NODE_ANY && (a->numa_node < 0 || a->numa_node > INT_MAX))
                return "numa_node";
        r->numa_node = (int) a->numa_node;
        if (r->apart && r->together)
                return "affinity";
        if (!a->pool == !a->wants)
                return a->pool ? "wants" : "pool";
        if (a->pool) {
                r->n_wants = 1;
                return fill_want(a, &r->wants[0]);
        }
        if (json_array_size(a->wants) < 1 || json_array_size(a->wants) > WANTS_MAX)
                return "wants";
        json_array_foreach(a->wants, i, v) {
                bad = parse_want(v, &r->wants[r->n_wants++]);
                if (bad)
                        return bad;
        }
        return NULL;
}

/* The values that types alone do not check. NULL, or the name of the bad one. */
static const char *bad_value(const struct acquire_request *r, int64_t pid, int64_t uid, int64_t memory,
                             int64_t wait, const char *lifetime) {
        return pid < 0 || pid > INT_MAX                                  ? "pid"
               : r->has_uid && (uid < 0 || uid >= UINT32_MAX)            ? "uid"
               : memory < 0                                              ? "memory"
               : wait < 0 || wait > (int64_t) WAIT_MAX_SECONDS           ? "wait"
               : r->request.hand_off == _HAND_OFF_MAX                    ? "hand_off"
               : strcmp(lifetime, "process") && strcmp(lifetime, "kept") ? "lifetime"
                                                                         : NULL;
}

void method_acquire(struct connection *c, json_t *parameters) {
        struct acquire_request r = { 0 };
        struct ask a = ASK(&r.request);
        const char *hand_off = "auto", *lifetime = "process";
        int64_t pid = 0, uid = -1, memory = 0, wait = 0;
        const struct json_field fields[] = {
                { "tenant", JSON_KIND_STRING, true, &r.request.tenant },
                { "vm", JSON_KIND_STRING, true, &r.request.vm },
                { "pool", JSON_KIND_STRING, false, &a.pool },
                { "count", JSON_KIND_INT, false, &a.count },
                { "mac", JSON_KIND_STRING, false, &a.mac },
                { "vlan", JSON_KIND_INT, false, &a.vlan },
                { "min_tx_mbps", JSON_KIND_INT, false, &a.min_tx },
                { "max_tx_mbps", JSON_KIND_INT, false, &a.max_tx },
                { "wants", JSON_KIND_ARRAY, false, &a.wants },
                { "group", JSON_KIND_STRING, false, &r.request.group },
                { "anti_affinity", JSON_KIND_BOOL, false, &r.request.apart },
                { "affinity", JSON_KIND_BOOL, false, &r.request.together },
                { "numa_node", JSON_KIND_INT, false, &a.numa_node },
                { "wait", JSON_KIND_INT, false, &wait },
                { "keep", JSON_KIND_BOOL, false, &r.keep },
                { "hand_off", JSON_KIND_STRING, false, &hand_off },
                { "lifetime", JSON_KIND_STRING, false, &lifetime },
                { "pid", JSON_KIND_INT, false, &pid },
                { "uid", JSON_KIND_INT, false, &uid },
                { "memory", JSON_KIND_INT, false, &memory },
        };

        if (!method_parameters(c, parameters, fields, ARRAY_SIZE(fields)))
                return;
        r.has_uid = parameters && json_is_integer(json_object_get(parameters, "uid"));
        r.request.hand_off = hand_off_from_string(hand_off);
        const char *bad = fill_request(&a);
        bad = bad ? bad : bad_value(&r, pid, uid, memory, wait, lifetime);
        if (bad) {
                method_invalid(c, bad);
                return;
        }
        if (c->oneway) /* nobody would be told what was leased */
                return;
        r.request.memory = (uint64_t) memory;
        r.wait_usec = (uint64_t) wait * 1000000;
        r.kept = strcmp(lifetime, "kept") == 0;
        r.pid = (pid_t) pid;
        r.uid = (uid_t) uid;
        acquire_start(c, &r, parameters);
}

void method_reserve(struct connection *c, json_t *parameters) {
        struct request r = { .hand_off = HAND_OFF_AUTO };
        struct ask a = ASK(&r);
        const struct lease *promise;
        struct refusal why = { 0 };
        const struct json_field fields[] = {
                { "tenant", JSON_KIND_STRING, true, &r.tenant },
                { "vm", JSON_KIND_STRING, true, &r.vm },
                { "wants", JSON_KIND_ARRAY, true, &a.wants },
                { "group", JSON_KIND_STRING, false, &r.group },
                { "anti_affinity", JSON_KIND_BOOL, false, &r.apart },
                { "affinity", JSON_KIND_BOOL, false, &r.together },
                { "numa_node", JSON_KIND_INT, false, &a.numa_node },
        };

        if (!method_parameters(c, parameters, fields, ARRAY_SIZE(fields)))
                return;
        const char *bad = fill_request(&a);
        if (bad) {
                method_invalid(c, bad);
                return;
        }
        enum reason no = acquire_permitted(c, r.tenant);
        if (no == REASON_NONE)
                no = reservation_make(c->manager, &r, &promise, &why);
        if (no != REASON_NONE)
                acquire_refuse(c, no, &why);
        else
                connection_reply(c, json_pack("{s:o}", "reservation", reservation_json(c->manager, promise)));
}

void method_unreserve(struct connection *c, json_t *parameters) {
        const char *tenant = NULL, *vm = NULL;
        const struct json_field fields[] = {
                { "tenant", JSON_KIND_STRING, true, &tenant },
                { "vm", JSON_KIND_STRING, true, &vm },
        };

        if (!method_parameters(c, parameters, fields, ARRAY_SIZE(fields)))
                return;
        struct lease *promise = reservation_find(c->manager, tenant, vm);
        if (!promise || !method_may_see_lease(c, promise)) {
                connection_refuse(c, REASON_NO_SUCH_RESERVATION, NULL);
                return;
        }
        int r = reservation_end(c->manager, promise);
        if (r < 0)
                connection_fail(c, r, errno_text(r));
        else
                connection_reply(c, json_object());
}

void method_list_reservations(struct connection *c, json_t *parameters) {
        struct manager *m = c->manager;

        if (!method_parameters(c, parameters, NULL, 0))
                return;
        json_t *reservations = json_array();
        for (size_t i = 0; i < m->n_promises; i++)
                if (method_may_see_lease(c, m->promises[i]))
                        json_array_append_new(reservations, reservation_json(m, m->promises[i]));
        connection_reply(c, json_pack("{s:o}", "reservations", reservations));
}

void method_renew(struct connection *c, json_t *parameters) {
        const char *id = NULL;
        const struct json_field fields[] = { { "lease", JSON_KIND_STRING, true, &id } };

        if (!method_parameters(c, parameters, fields, ARRAY_SIZE(fields)))
                return;
        struct lease *l = lease_find(c->manager, id);
        if (!l || !method_may_see_lease(c, l)) {
                connection_refuse(c, REASON_NO_SUCH_LEASE, NULL);
                return;
        }
        enum reason no = lease_renew(c->manager, l);
        if (no != REASON_NONE)
                connection_refuse(c, no,
                                  no == REASON_OVER_POLICY ? reason_sentence(managed_lease(l)->over) : NULL);
        else
                connection_reply(c, json_pack("{s:o}", "lease", lease_json(l)));
}

void method_explain(struct connection *c, json_t *parameters) {
        const char *tenant = NULL, *pool = NULL;
        const struct world w = manager_world(c->manager);
        struct explanations e = { 0 };
        const struct json_field fields[] = {
                { "tenant", JSON_KIND_STRING, true, &tenant },
                { "pool", JSON_KIND_STRING, true, &pool },
        };

        if (!method_parameters(c, parameters, fields, ARRAY_SIZE(fields)))
                return;
        int no = (int) acquire_permitted(c, tenant);
        if (no == REASON_NONE)
                no = explain(&w, tenant, pool, &e);
        if (no < 0)
                connection_fail(c, no, errno_text(no));
        else if (no > 0)
                connection_refuse(c, (enum reason) no, "");
        else {
                json_t *lines = json_array();

                FOREACH_ARRAY(i, e.items, e.n)
                        if (c->peer.admin || strcmp(i->rule, "pool") != 0) /* tells of other tenants */
                                json_array_append_new(lines, json_pack("{s:o,s:o,s:o}", "rule",
                                                                       json_text_value(i->rule), "value",
                                                                       json_text_value(i->value), "why",
                                                                       json_text_value(i->why)));
                connection_reply(c, json_pack("{s:o}", "explanations", lines));
        }
        explanations_done(&e);
}
