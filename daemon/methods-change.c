/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Methods that change something, or wait for changes. */

#include "daemon/apply.h"
#include "daemon/lease.h"
#include "daemon/methods.h"
#include "daemon/nvme.h"
#include "daemon/policy-load.h"
#include "daemon/quarantine.h"
#include "daemon/reconcile.h"
#include "daemon/to-json.h"

#include <errno.h>
#include <string.h>

void method_release(struct connection *c, json_t *parameters) {
        const char *id = NULL;
        const struct json_field fields[] = { { "lease", JSON_KIND_STRING, true, &id } };

        if (!method_parameters(c, parameters, fields, ARRAY_SIZE(fields)))
                return;
        struct lease *l = lease_find(c->manager, id);
        if (!l || !method_may_see_lease(c, l)) {
                connection_refuse(c, REASON_NO_SUCH_LEASE, NULL);
                return;
        }
        lease_end(c->manager, l, "released");
        connection_reply(c, json_object());
}

void method_plan(struct connection *c, json_t *parameters) {
        struct manager *m = c->manager;
        const struct world w = manager_world(m);
        struct plan plan;

        if (!method_parameters(c, parameters, NULL, 0))
                return;
        if (!m->policy) {
                connection_refuse(c, REASON_POLICY_INVALID, "");
                return;
        }
        policy_find_drivers(m->root_fd, m->policy);
        int r = plan_make(&w, &plan);
        if (r < 0) {
                connection_fail(c, r, errno_text(r));
                return;
        }
        json_t *steps = json_array();
        FOREACH_ARRAY(s, plan.steps, plan.n_steps)
                json_array_append_new(steps, step_json(s));
        plan_done(&plan);
        connection_reply(c, json_pack("{s:o}", "steps", steps));
}

void method_apply(struct connection *c, json_t *parameters) {
        bool destructive = false, later = true;
        const struct json_field fields[] = {
                { "destructive", JSON_KIND_BOOL, false, &destructive },
                { "later", JSON_KIND_BOOL, false, &later },
        };

        if (method_parameters(c, parameters, fields, ARRAY_SIZE(fields)))
                apply_start(c, destructive, later);
}

void method_monitor(struct connection *c, json_t *parameters) {
        if (!method_parameters(c, parameters, NULL, 0))
                return;
        connection_suspend(c, NULL, NULL);
        c->monitoring = true;
}

void method_rescan(struct connection *c, json_t *parameters) {
        if (!method_parameters(c, parameters, NULL, 0))
                return;
        nvme_doubt_all(c->manager);
        int r = reconcile_rescan_all(c->manager);
        if (r < 0)
                connection_fail(c, r, "the hardware could not be read");
        else
                connection_reply(c, json_object());
}

void method_reload(struct connection *c, json_t *parameters) {
        if (!method_parameters(c, parameters, NULL, 0))
                return;
        int r = manager_reload(c->manager);
        if (r == -EINVAL)
                connection_error(
                                c, "io.vfctl.Manager.PolicyInvalid",
                                json_pack("{s:o}", "errors", policy_errors_json(&c->manager->policy_errors)));
        else if (r < 0)
                connection_fail(c, r, errno_text(r));
        else
                connection_reply(c, json_object());
}

/* address and reason of Quarantine and Clear; NULL: answered. The reason is for the journal and for people.
 */
static struct managed_vf *parse_verdict(struct connection *c, json_t *parameters, char *why, size_t size) {
        const char *text = NULL, *reason = NULL;
        struct address a;
        const struct json_field fields[] = {
                { "address", JSON_KIND_STRING, true, &text },
                { "reason", JSON_KIND_STRING, true, &reason },
        };

        if (!method_parameters(c, parameters, fields, ARRAY_SIZE(fields)))
                return NULL;
        if (address_parse(text, &a) < 0)
                method_invalid(c, "address");
        else if (!reason[0] || strlen(reason) > 120)
                method_invalid(c, "reason");
        else {
                struct managed_vf *v = manager_find_vf(c->manager, a);

                snprintf(why, size, "uid %u: %s", c->peer.uid, reason);
                if (v)
                        return v;
                connection_refuse(c, REASON_NO_SUCH_DEVICE, text);
        }
        return NULL;
}

void method_quarantine(struct connection *c, json_t *parameters) {
        char why[160];
        struct managed_vf *v = parse_verdict(c, parameters, why, sizeof(why));

        if (!v)
                return;
        if (vf_condemn(v, REASON_ADMIN, why) < 0)
                connection_refuse(c, REASON_NOT_MANAGED, ADDRESS_STR(v->vf.address));
        else
                connection_reply(c, json_object());
}

void method_clear(struct connection *c, json_t *parameters) {
        char why[160];
        struct managed_vf *v = parse_verdict(c, parameters, why, sizeof(why));

        if (!v)
                return;
        if (vf_clear(v, why) < 0)
                connection_refuse(c, REASON_NO_SUCH_DEVICE, "it is not quarantined");
        else
                connection_reply(c, json_object());
}

/* The PF that an address names; NULL: answered. */
static struct managed_pf *parse_pf(struct connection *c, const char *text) {
        struct address a;

        if (address_parse(text, &a) < 0) {
                method_invalid(c, "address");
                return NULL;
        }
        struct pf *pf = inventory_find_pf(&c->manager->inventory, a);
        if (!pf)
                connection_refuse(c, REASON_NO_SUCH_DEVICE, text);
        return pf ? managed_pf(pf) : NULL;
}

void method_drain(struct connection *c, json_t *parameters) {
        const char *text = NULL, *reason = "";
        struct manager *m = c->manager;
        const struct json_field fields[] = {
                { "address", JSON_KIND_STRING, true, &text },
                { "reason", JSON_KIND_STRING, false, &reason },
        };

        if (!method_parameters(c, parameters, fields, ARRAY_SIZE(fields)))
                return;
        if (strlen(reason) > 120) {
                method_invalid(c, "reason");
                return;
        }
        struct managed_pf *p = parse_pf(c, text);
        if (!p)
                return;
        pf_drain(p, reason);
        json_t *leases = json_array();
        for (size_t i = 0; i < m->n_leases; i++)
                for (size_t k = 0; k < m->leases[i]->n_vfs; k++)
                        if (address_equal(m->leases[i]->vfs[k].pf, p->pf.address)) {
                                json_array_append_new(leases, lease_json(m->leases[i]));
                                break;
                        }
        connection_reply(c, json_pack("{s:o}", "leases", leases));
}

void method_undrain(struct connection *c, json_t *parameters) {
        const char *text = NULL;
        const struct json_field fields[] = { { "address", JSON_KIND_STRING, true, &text } };

        if (!method_parameters(c, parameters, fields, ARRAY_SIZE(fields)))
                return;
        struct managed_pf *p = parse_pf(c, text);
        if (!p)
                return;
        pf_undrain(p);
        connection_reply(c, json_object());
}
