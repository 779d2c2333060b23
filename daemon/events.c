/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Events for watchers. */

#include "daemon/events.h"
#include "daemon/lease.h"
#include "daemon/server.h"

#include <time.h>

struct event {
        const char *kind, *old, *now, *reason, *message;
        const struct address *address;
        const struct lease *lease;
};

static json_t *event_json(const struct event *e) {
        struct timespec ts;

        clock_gettime(CLOCK_REALTIME, &ts);
        return json_pack("{s:{s:I,s:s,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o}}", "event", "time",
                         (json_int_t) ts.tv_sec * 1000000 + ts.tv_nsec / 1000, "kind", e->kind, "address",
                         json_string_or_null(e->address ? ADDRESS_STR(*e->address) : NULL), "old",
                         json_string_or_null(e->old), "new", json_string_or_null(e->now), "reason",
                         json_string_or_null(e->reason), "message",
                         e->message ? json_text_value(e->message) : json_null(), "lease",
                         json_string_or_null(e->lease ? e->lease->id : NULL), "tenant",
                         json_string_or_null(e->lease ? e->lease->tenant : NULL), "vm",
                         json_string_or_null(e->lease ? e->lease->vm : NULL));
}

static bool may_see(struct manager *m, const struct connection *c, const struct event *e) {
        if (c->peer.admin)
                return true;
        const struct tenant *t =
                        e->lease && m->policy ? policy_find_tenant(m->policy, e->lease->tenant) : NULL;
        return t && peer_may_act_for(&c->peer, t);
}

static void broadcast(struct manager *m, const struct event *e) {
        _cleanup_json_ json_t *j = NULL;

        for (struct connection *c = server_first(m->server); c; c = c->next) {
                if (!c->monitoring || !may_see(m, c, e))
                        continue;
                if (!j)
                        j = event_json(e);
                connection_reply_more(c, json_incref(j));
        }
}

void events_vf(struct manager *m, const struct managed_vf *v, enum vf_state old) {
        broadcast(m, &(struct event){
                                     .kind = "vf",
                                     .old = vf_state_to_string(old),
                                     .now = vf_state_to_string(v->vf.state),
                                     .reason = v->vf.reason != REASON_NONE ? reason_name(v->vf.reason) : NULL,
                                     .address = &v->vf.address,
                                     .lease = lease_of_vf(v),
                     });
}

void events_pf(struct manager *m, const struct pf *pf, const char *what) {
        broadcast(m, &(struct event){
                                     .kind = "pf",
                                     .now = what,
                                     .reason = pf->reason != REASON_NONE ? reason_name(pf->reason) : NULL,
                                     .address = &pf->address,
                     });
}

void events_lease(struct manager *m, const struct lease *l, const char *what) {
        broadcast(m, &(struct event){ .kind = "lease", .now = what, .lease = l });
}

void events_isolation(struct manager *m, const struct managed_vf *v, const char *what) {
        broadcast(m, &(struct event){
                                     .kind = "isolation",
                                     .now = what,
                                     .address = &v->vf.address,
                                     .lease = lease_of_vf(v),
                     });
}

void events_release_requested(struct manager *m, const struct managed_vf *v) {
        broadcast(m, &(struct event){
                                     .kind = "release-requested",
                                     .now = vf_state_to_string(v->vf.state),
                                     .reason = reason_name(v->condemned),
                                     .address = &v->vf.address,
                                     .lease = lease_of_vf(v),
                     });
}

void events_cleared(struct manager *m, const struct managed_vf *v, enum reason reason, const char *why) {
        broadcast(m, &(struct event){
                                     .kind = "cleared",
                                     .reason = reason_name(reason),
                                     .message = why,
                                     .address = &v->vf.address,
                                     .lease = lease_of_vf(v),
                     });
}

void events_device(struct manager *m, const struct managed_vf *v, const char *kind, const char *what,
                   const char *message) {
        broadcast(m, &(struct event){
                                     .kind = kind,
                                     .now = what,
                                     .message = message,
                                     .address = &v->vf.address,
                                     .lease = lease_of_vf(v),
                     });
}

void events_function(struct manager *m, const struct address *a, const char *kind, const char *what,
                     const char *message) {
        broadcast(m, &(struct event){ .kind = kind, .now = what, .message = message, .address = a });
}

void events_policy(struct manager *m, const char *what) {
        broadcast(m, &(struct event){ .kind = "policy", .now = what });
}

void events_ready(struct manager *m) {
        broadcast(m, &(struct event){ .kind = "ready", .now = "ready" });
}
