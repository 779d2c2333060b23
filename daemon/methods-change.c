/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Methods that change something, or wait for changes. */

#include "daemon/acquire.h"
#include "daemon/apply.h"
#include "daemon/lease.h"
#include "daemon/methods.h"
#include "daemon/quarantine.h"
#include "daemon/reconcile.h"
#include "daemon/to-json.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

static void invalid(struct connection *c, const char *parameter) {
        connection_error(c, "org.varlink.service.InvalidParameter",
                         json_pack("{s:s}", "parameter", parameter));
}

/* The values that types alone do not check. NULL, or the name of the bad one. */
static const char *bad_value(const struct acquire_request *r, int64_t count, int64_t pid, int64_t uid,
                             int64_t memory, const char *lifetime) {
        return count < 1 || count > ACQUIRE_COUNT_MAX                    ? "count"
               : pid < 0 || pid > INT_MAX                                ? "pid"
               : r->has_uid && (uid < 0 || uid >= UINT32_MAX)            ? "uid"
               : memory < 0                                              ? "memory"
               : r->request.hand_off == _HAND_OFF_MAX                    ? "hand_off"
               : strcmp(lifetime, "process") && strcmp(lifetime, "kept") ? "lifetime"
                                                                         : NULL;
}

void method_acquire(struct connection *c, json_t *parameters) {
        struct acquire_request r = { 0 };
        const char *hand_off = "auto", *lifetime = "process";
        int64_t count = 1, pid = 0, uid = -1, memory = 0;
        const struct json_field fields[] = {
                { "tenant", JSON_KIND_STRING, true, &r.request.tenant },
                { "pool", JSON_KIND_STRING, true, &r.request.pool },
                { "vm", JSON_KIND_STRING, true, &r.request.vm },
                { "count", JSON_KIND_INT, false, &count },
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
        const char *bad = bad_value(&r, count, pid, uid, memory, lifetime);
        if (bad) {
                invalid(c, bad);
                return;
        }
        if (c->oneway) /* nobody would be told what was leased */
                return;
        r.request.count = (unsigned) count;
        r.request.memory = (uint64_t) memory;
        r.kept = strcmp(lifetime, "kept") == 0;
        r.pid = (pid_t) pid;
        r.uid = (uid_t) uid;
        acquire_start(c, &r);
}

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
        struct plan plan;

        if (!method_parameters(c, parameters, NULL, 0))
                return;
        if (!m->policy) {
                connection_refuse(c, REASON_POLICY_INVALID, "");
                return;
        }
        int r = plan_make(m->policy, &m->inventory, (const struct lease *const *) m->leases, m->n_leases,
                          &plan);
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
        bool destructive = false;
        const struct json_field fields[] = { { "destructive", JSON_KIND_BOOL, false, &destructive } };

        if (method_parameters(c, parameters, fields, ARRAY_SIZE(fields)))
                apply_start(c, destructive);
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
static struct managed_vf *parse_verdict(struct connection *c, json_t *parameters, bool needs_reason,
                                        const char **ret_reason) {
        const char *text = NULL;
        struct address a;
        const struct json_field fields[] = {
                { "address", JSON_KIND_STRING, true, &text },
                { "reason", JSON_KIND_STRING, needs_reason, ret_reason },
        };

        if (!method_parameters(c, parameters, fields, ARRAY_SIZE(fields)))
                return NULL;
        if (address_parse(text, &a) < 0)
                invalid(c, "address");
        else if (strlen(*ret_reason) > 120 || (needs_reason && !**ret_reason))
                invalid(c, "reason");
        else {
                struct managed_vf *v = manager_find_vf(c->manager, a);

                if (v)
                        return v;
                connection_refuse(c, REASON_NO_SUCH_DEVICE, text);
        }
        return NULL;
}

void method_quarantine(struct connection *c, json_t *parameters) {
        const char *reason = "";
        struct managed_vf *v = parse_verdict(c, parameters, true, &reason);
        char detail[160];

        if (!v)
                return;
        snprintf(detail, sizeof(detail), "uid %u: %s", c->peer.uid, reason);
        if (vf_condemn(v, REASON_ADMIN, detail) < 0)
                connection_refuse(c, REASON_NOT_MANAGED, ADDRESS_STR(v->vf.address));
        else
                connection_reply(c, json_object());
}

void method_clear(struct connection *c, json_t *parameters) {
        const char *reason = "";
        struct managed_vf *v = parse_verdict(c, parameters, false, &reason);

        if (!v)
                return;
        struct address a = v->vf.address;
        if (vf_clear(v) < 0) {
                connection_refuse(c, REASON_NO_SUCH_DEVICE, "it is not quarantined");
                return;
        }
        log_with(LOG_NOTICE, (&(struct log_fields){ .address = &a }), "cleared by uid %u%s%s", c->peer.uid,
                 reason[0] ? ": " : "", reason);
        connection_reply(c, json_object());
}
