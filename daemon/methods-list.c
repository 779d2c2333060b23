/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Methods that only look. Tenants see what is their own. */

#include "config.h"
#include "daemon/evidence-json.h"
#include "daemon/faults.h"
#include "daemon/lease.h"
#include "daemon/methods.h"
#include "daemon/nvme.h"
#include "daemon/pf.h"
#include "daemon/store.h"
#include "daemon/to-json.h"
#include "daemon/waiting.h"

#include <errno.h>
#include <string.h>

bool method_may_see_vf(struct connection *c, const struct managed_vf *v) {
        const struct lease *l;

        if (c->peer.admin)
                return true;
        l = lease_of_vf(v);
        return l && method_may_see_lease(c, l);
}

static json_t *problem_json(const struct address *a, enum reason r, const char *detail) {
        char message[400];

        snprintf(message, sizeof(message), "%s%s%s", reason_sentence(r), detail[0] ? ": " : "", detail);
        return json_pack("{s:o,s:s,s:o,s:s}", "address", a ? json_string(ADDRESS_STR(*a)) : json_null(),
                         "reason", reason_name(r), "message", json_text_value(message), "hint",
                         reason_hint(r));
}

static json_t *problems_json(struct connection *c) {
        struct manager *m = c->manager;
        json_t *problems = json_array();
        char path[300];

        if (!m->policy)
                json_array_append_new(problems, problem_json(NULL, REASON_POLICY_INVALID, ""));
        for (const struct disk *d = m->disks; d && c->peer.admin; d = d->next) {
                if (!d->unreadable)
                        continue;
                snprintf(path, sizeof(path), "/" DISKS_DIR "/%s", d->unreadable);
                json_array_append_new(problems, problem_json(NULL, REASON_DISK_RECORD, path));
        }
        for (size_t i = 0; i < m->inventory.n_pfs; i++) {
                struct pf *pf = m->inventory.pfs[i];

                if (c->peer.admin && pf->reason != REASON_NONE)
                        json_array_append_new(problems,
                                              problem_json(&pf->address, pf->reason, managed_pf(pf)->detail));
                for (size_t j = 0; j < pf->n_vfs; j++) {
                        struct managed_vf *v = managed_vf(pf->vfs[j]);

                        if (v->shown != REASON_NONE && v->vf.state != VF_UNMANAGED && method_may_see_vf(c, v))
                                json_array_append_new(problems, problem_json(&v->vf.address, v->shown,
                                                                             vf_shown_detail(v)));
                }
        }
        return problems;
}

static json_t *counts_json(struct connection *c, size_t *n_vfs) {
        json_t *counts = json_object();
        int n[_VF_STATE_MAX] = { 0 };

        for (size_t i = 0; i < c->manager->inventory.n_pfs; i++) {
                const struct pf *pf = c->manager->inventory.pfs[i];

                for (size_t j = 0; j < pf->n_vfs; j++)
                        if (method_may_see_vf(c, managed_vf(pf->vfs[j]))) {
                                n[pf->vfs[j]->state]++;
                                ++*n_vfs;
                        }
        }
        for (unsigned i = 0; i < _VF_STATE_MAX; i++)
                if (n[i] > 0)
                        json_object_set_new(counts, vf_state_to_string((enum vf_state) i),
                                            json_integer(n[i]));
        return counts;
}

void method_get_status(struct connection *c, json_t *parameters) {
        struct manager *m = c->manager;
        size_t n_vfs = 0, n_leases = 0;

        if (!method_parameters(c, parameters, NULL, 0))
                return;
        for (size_t i = 0; i < m->n_leases; i++)
                n_leases += method_may_see_lease(c, m->leases[i]);
        json_t *counts = counts_json(c, &n_vfs);
        const struct policy_errors none = { 0 };
        connection_reply(c, json_pack("{s:{s:s,s:b,s:b,s:o,s:s,s:b,s:b,s:i,s:i,s:o,s:i,s:I,s:o}}", "status",
                                      "version", VERSION, "ready", m->settled, "policy_valid",
                                      m->policy != NULL, "policy_errors",
                                      policy_errors_json(c->peer.admin ? &m->policy_errors : &none),
                                      "fence_backend", backend_to_string(m->inventory.fence), "can_fd",
                                      m->inventory.can_fd, "can_node", m->inventory.can_node, "pfs",
                                      c->peer.admin ? (int) m->inventory.n_pfs : 0, "vfs", (int) n_vfs,
                                      "vf_states", counts, "leases", (int) n_leases, "lost_faults",
                                      c->peer.admin ? (json_int_t) faults_lost(m) : 0, "problems",
                                      problems_json(c)));
}

void method_list_pfs(struct connection *c, json_t *parameters) {
        struct manager *m = c->manager;

        if (!method_parameters(c, parameters, NULL, 0))
                return;
        json_t *pfs = json_array();
        for (size_t i = 0; i < m->inventory.n_pfs; i++) {
                struct managed_pf *p = managed_pf(m->inventory.pfs[i]);

                if (!p->pf.whole || p->pf.pool >= 0) /* else it only may be wanted */
                        json_array_append_new(pfs, pf_json(m, &p->pf));
                if (p->nvme_known && p->nvme_stale) /* for the next who looks */
                        nvme_read(p);
        }
        connection_reply(c, json_pack("{s:o}", "pfs", pfs));
}

/* False: InvalidParameter was answered. */
static bool parse_address(struct connection *c, const char *name, const char *text, struct address *ret) {
        if (!text || address_parse(text, ret) >= 0)
                return true;
        connection_error(c, "org.varlink.service.InvalidParameter", json_pack("{s:s}", "parameter", name));
        return false;
}

void method_list_vfs(struct connection *c, json_t *parameters) {
        struct manager *m = c->manager;
        const char *address = NULL, *pf_text = NULL, *pool = NULL, *state = NULL;
        struct address a = { 0 }, pf_address = { 0 };
        const struct json_field fields[] = {
                { "address", JSON_KIND_STRING, false, &address },
                { "pf", JSON_KIND_STRING, false, &pf_text },
                { "pool", JSON_KIND_STRING, false, &pool },
                { "state", JSON_KIND_STRING, false, &state },
        };

        if (!method_parameters(c, parameters, fields, ARRAY_SIZE(fields)) ||
            !parse_address(c, "address", address, &a) || !parse_address(c, "pf", pf_text, &pf_address))
                return;
        if (state && vf_state_from_string(state) == _VF_STATE_MAX) {
                connection_error(c, "org.varlink.service.InvalidParameter",
                                 json_pack("{s:s}", "parameter", "state"));
                return;
        }
        int pool_index = pool && m->policy ? policy_find_pool(m->policy, pool) : -2;
        json_t *vfs = json_array();
        for (size_t i = 0; i < m->inventory.n_pfs; i++) {
                const struct pf *pf = m->inventory.pfs[i];

                if ((pf_text && !address_equal(pf->address, pf_address)) ||
                    (pool && (pool_index < 0 || pf->pool != pool_index)))
                        continue;
                for (size_t j = 0; j < pf->n_vfs; j++) {
                        struct managed_vf *v = managed_vf(pf->vfs[j]);

                        if ((address && !address_equal(v->vf.address, a)) ||
                            (state && v->vf.state != vf_state_from_string(state)) || !method_may_see_vf(c, v))
                                continue;
                        json_array_append_new(vfs, vf_json(m, v));
                }
        }
        connection_reply(c, json_pack("{s:o}", "vfs", vfs));
}

void method_get_evidence(struct connection *c, json_t *parameters) {
        const char *text = NULL;
        struct address a;
        const struct json_field fields[] = { { "address", JSON_KIND_STRING, true, &text } };

        if (!method_parameters(c, parameters, fields, ARRAY_SIZE(fields)) ||
            !parse_address(c, "address", text, &a))
                return;
        struct managed_vf *v = manager_find_vf(c->manager, a);
        if (!v || !method_may_see_vf(c, v)) {
                connection_refuse(c, REASON_NO_SUCH_DEVICE, text);
                return;
        }
        connection_reply(c, json_pack("{s:o}", "evidence", evidence_json(v)));
}

void method_list_leases(struct connection *c, json_t *parameters) {
        struct manager *m = c->manager;
        const char *id = NULL;
        const struct json_field fields[] = { { "lease", JSON_KIND_STRING, false, &id } };

        if (!method_parameters(c, parameters, fields, ARRAY_SIZE(fields)))
                return;
        json_t *leases = json_array();
        for (size_t i = 0; i < m->n_leases; i++)
                if ((!id || strcmp(m->leases[i]->id, id) == 0) && method_may_see_lease(c, m->leases[i]))
                        json_array_append_new(leases, lease_json(m->leases[i]));
        connection_reply(c, json_pack("{s:o}", "leases", leases));
}

/* True if the caller may act for a tenant that has a grant of this pool. */
static bool may_see_pool(struct connection *c, size_t pool) {
        const struct policy *p = c->manager->policy;

        if (c->peer.admin)
                return true;
        FOREACH_ARRAY(t, p->tenants, p->n_tenants)
                if (tenant_find_grant(t, pool) && peer_may_act_for(&c->peer, t))
                        return true;
        return false;
}

static json_t *pool_counts_json(struct connection *c, size_t index) {
        struct manager *m = c->manager;
        const struct pool *pool = &m->policy->pools[index];
        int pfs = 0, vfs = 0, ready = 0, leased = 0, reserved = 0;

        for (size_t i = 0; i < m->inventory.n_pfs; i++) {
                const struct pf *pf = m->inventory.pfs[i];

                if (pf->pool != (int) index)
                        continue;
                pfs++;
                vfs += (int) pf->n_vfs;
                for (size_t j = 0; j < pf->n_vfs; j++) {
                        ready += pf->vfs[j]->state == VF_READY;
                        leased += pf->vfs[j]->lease[0] != '\0';
                }
        }
        for (size_t i = 0; i < m->n_promises; i++)
                for (size_t k = 0; k < m->promises[i]->n_vfs; k++)
                        reserved += strcmp(m->promises[i]->pools[m->promises[i]->vfs[k].pool], pool->name) ==
                                    0;
        /* how full a pool is tells of other tenants */
        bool all = c->peer.admin;
        return json_pack("{s:s,s:s,s:s,s:s,s:i,s:i,s:i,s:i,s:i,s:i}", "name", pool->name, "class",
                         pool_class_to_string(pool->class), "assign", assign_to_string(pool->assign),
                         "placement", placement_to_string(pool->placement), "pfs", all ? pfs : 0, "vfs",
                         all ? vfs : 0, "ready", all ? ready : 0, "leased", all ? leased : 0, "reserved",
                         all ? reserved : 0, "waiting", all ? (int) waiting_count(m, pool->name) : 0);
}

void method_list_pools(struct connection *c, json_t *parameters) {
        const struct policy *p = c->manager->policy;

        if (!method_parameters(c, parameters, NULL, 0))
                return;
        json_t *pools = json_array();
        for (size_t i = 0; p && i < p->n_pools; i++)
                if (may_see_pool(c, i))
                        json_array_append_new(pools, pool_counts_json(c, i));
        connection_reply(c, json_pack("{s:o}", "pools", pools));
}

/* VFs in use, by tenant and grant: one walk over the leases for all tenants. */
static void count_used(const struct manager *m, const size_t *offset, int *used) {
        for (size_t i = 0; i < m->n_leases; i++) {
                const struct lease *l = m->leases[i];
                const struct tenant *t = policy_find_tenant(m->policy, l->tenant);

                for (size_t k = 0; t && k < l->n_vfs; k++) {
                        int pool = policy_find_pool(m->policy, l->pools[l->vfs[k].pool]);
                        const struct grant *g = pool >= 0 ? tenant_find_grant(t, (size_t) pool) : NULL;

                        if (g)
                                used[offset[t - m->policy->tenants] + (size_t) (g - t->grants)]++;
                }
        }
}

static json_t *tenant_json(const struct manager *m, const struct tenant *t, const int *used) {
        json_t *grants = json_array();
        int total = 0;

        for (size_t i = 0; i < t->n_grants; i++) {
                total += used[i];
                json_array_append_new(grants, json_pack("{s:s,s:I,s:i}", "pool",
                                                        m->policy->pools[t->grants[i].pool].name, "quota",
                                                        (json_int_t) t->grants[i].quota, "used", used[i]));
        }
        return json_pack("{s:s,s:I,s:I,s:i,s:I,s:o}", "name", t->name, "memlock", (json_int_t) t->memlock,
                         "quota", t->quota == QUOTA_NONE ? (json_int_t) 0 : (json_int_t) t->quota, "used",
                         total, "max_lease", (json_int_t) t->max_lease, "pools", grants);
}

void method_list_tenants(struct connection *c, json_t *parameters) {
        const struct policy *p = c->manager->policy;
        size_t n_tenants = p ? p->n_tenants : 0, n = 0;
        _cleanup_free_ size_t *offset = calloc(n_tenants + 1, sizeof(*offset));
        _cleanup_free_ int *used = NULL;

        if (!method_parameters(c, parameters, NULL, 0))
                return;
        for (size_t i = 0; offset && i < n_tenants; i++) {
                offset[i] = n;
                n += p->tenants[i].n_grants;
        }
        used = calloc(n + 1, sizeof(*used));
        if (!offset || !used) {
                connection_fail(c, -ENOMEM, "out of memory");
                return;
        }
        if (p)
                count_used(c->manager, offset, used);
        json_t *tenants = json_array();
        for (size_t i = 0; i < n_tenants; i++)
                if (peer_may_act_for(&c->peer, &p->tenants[i]))
                        json_array_append_new(tenants,
                                              tenant_json(c->manager, &p->tenants[i], used + offset[i]));
        connection_reply(c, json_pack("{s:o}", "tenants", tenants));
}
