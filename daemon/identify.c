/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What only a worker can read of a PF: serial number, permanent MAC, speed of the link. */

#include "daemon/pf.h"
#include "daemon/reconcile.h"
#include "daemon/waiting.h"
#include "daemon/worker-identity.h"

#include <errno.h>

/* How often link speeds are read again, where guaranteed rates rest on them: a link that comes up after the
 * PF. */
#define SPEED_USEC (15ULL * 1000000ULL)

static void take(struct managed_pf *p, const struct worker_reply *reply) {
        uint32_t before = p->pf.link_mbps;

        worker_identity_take(reply, &p->pf);
        if (p->pf.link_mbps != before)
                waiting_soon(p->manager);
}

static void on_identified(const struct worker_reply *reply, int fds[WORKER_FDS_MAX], void *userdata) {
        struct managed_pf *p = userdata;
        bool first = !p->pf.identified;

        p->identifying = false;
        if (p->gone) {
                managed_pf_unused(p);
                return;
        }
        if (reply->error == -ETIMEDOUT || reply->error == -ECANCELED)
                pf_hangs(p);
        else if (worker_reply_is_transient(reply) && first) {
                p->reidentify = true; /* says nothing about the PF, whose steps go on */
                reconcile_retry(p->manager);
                return;
        } else if (reply->error == 0)
                take(p, reply);
        else
                log_with(LOG_WARNING, (&(struct log_fields){ .address = &p->pf.address }),
                         "its serial number and MAC cannot be read: %s", reply->detail);
        p->pf.identified = true; /* as far as that is possible */
        if (first)
                reconcile_identified(p);
}

void pf_identify(struct managed_pf *p) {
        struct worker_op op = worker_op_make(WORKER_IDENTIFY, p->pf.address, p->pf.address, on_identified, p);

        if (p->identifying || p->pf.stuck || worker_link_submit(p->manager->link, &op) < 0)
                return;
        p->identifying = true;
}

bool pf_must_wait_for_identity(struct managed_pf *p) {
        const struct policy *policy = p->manager->policy;
        bool needed = policy && policy_needs_identity(policy);

        if (p->pf.identified || !policy || (p->pf.pool < 0 && !needed)) /* what nobody wants is left alone */
                return false;
        pf_identify(p);
        return needed && !p->pf.stuck;
}

static bool rests_on_speed(const struct policy *policy, int pool) {
        FOREACH_ARRAY(t, policy->tenants, policy->n_tenants)
                FOREACH_ARRAY(g, t->grants, t->n_grants)
                        if ((int) g->pool == pool && g->attributes.set & ATTR_MIN_TX)
                                return true;
        return false;
}

static int on_speed(sd_event_source *s, uint64_t usec, void *userdata) {
        struct manager *m = userdata;
        bool *rests = m->policy ? calloc(m->policy->n_pools + 1, sizeof(*rests)) : NULL;

        for (size_t i = 0; rests && i < m->policy->n_pools; i++)
                rests[i] = rests_on_speed(m->policy, (int) i);
        for (size_t i = 0; rests && i < m->inventory.n_pfs; i++)
                if (m->inventory.pfs[i]->pool >= 0 && rests[m->inventory.pfs[i]->pool])
                        pf_identify(managed_pf(m->inventory.pfs[i]));
        free(rests);
        sd_event_source_set_time_relative(s, SPEED_USEC);
        return sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
}

void identify_watch(struct manager *m) {
        bool needed = false;

        for (size_t i = 0; m->policy && i < m->policy->n_pools; i++)
                needed = needed || rests_on_speed(m->policy, (int) i);
        if (!needed) {
                m->identify = sd_event_source_disable_unref(m->identify);
                return;
        }
        if (!m->identify && sd_event_add_time_relative(m->event, &m->identify, CLOCK_MONOTONIC, SPEED_USEC, 0,
                                                       on_speed, m) < 0)
                log_error("out of memory for the timer that reads link speeds");
}

void identify_stop(struct manager *m) {
        m->identify = sd_event_source_disable_unref(m->identify);
}
