/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Carrying out a plan on request. A PF stops at its first failure, the others go on: what comes after it, of
 * the PF itself and of its VFs, is not tried. The VFs of a PF are worked on side by side; one that fails
 * stops only what is left of its own steps. */

#include "daemon/apply.h"
#include "common/text.h"
#include "daemon/pf.h"
#include "daemon/policy-load.h"
#include "daemon/reconcile.h"
#include "daemon/store.h"
#include "daemon/to-json.h"

#include <errno.h>

/* From DONE on it is over. */
enum progress { WAITING, RUNNING, DONE, PENDING, BLOCKED, FAILED, SKIPPED, _PROGRESS_MAX };

static const char *const outcomes[_PROGRESS_MAX] = {
        [DONE] = "done",     [PENDING] = "pending", [BLOCKED] = "blocked",
        [FAILED] = "failed", [SKIPPED] = "skipped",
};

struct item {
        struct step step; /* hits are not kept */
        json_t *json;
        enum progress progress;
};

struct apply {
        struct apply *next;
        struct manager *manager;
        struct connection *connection; /* NULL once the client went away; the work goes on */
        struct item *items;            /* those of a PF one after the other, its own before its VFs' */
        size_t n;
        int count[_PROGRESS_MAX];
};

static bool is_over(const struct item *i) {
        return i->progress >= DONE;
}

/* Pending is what was asked for, it only comes later. */
static bool stops_others(const struct item *i) {
        return i->progress == BLOCKED || i->progress == FAILED || i->progress == SKIPPED;
}

static bool is_of_vf(const struct item *i) {
        return i->step.kind == STEP_BIND || i->step.kind == STEP_FENCE;
}

static json_t *summary(const struct apply *a, const struct item *i, const char *error) {
        return json_pack("{s:o,s:o,s:o,s:i,s:i,s:i}", "step", i ? json_incref(i->json) : json_null(),
                         "outcome", json_string_or_null(i ? outcomes[i->progress] : NULL), "error",
                         json_string_or_null(error), "done", a->count[DONE], "failed",
                         a->count[FAILED] + a->count[BLOCKED], "skipped", a->count[SKIPPED]);
}

static void item_over(struct apply *a, struct item *i, enum progress outcome, const char *error) {
        i->progress = outcome;
        a->count[outcome]++;
        if (a->connection && a->connection->more)
                connection_reply_more(a->connection, summary(a, i, error));
}

static void skip(struct apply *a, struct item *i) {
        item_over(a, i, SKIPPED, "not tried: an earlier step failed");
}

static void on_cancel(void *userdata) {
        struct apply *a = userdata;

        a->connection = NULL;
}

static void apply_free_one(struct apply *a) {
        for (struct apply **i = &a->manager->applies; *i; i = &(*i)->next)
                if (*i == a) {
                        *i = a->next;
                        break;
                }
        for (size_t i = 0; i < a->n; i++)
                json_decref(a->items[i].json);
        free(a->items);
        free(a);
}

static bool vf_step_is_done(const struct managed_vf *v, enum step_kind kind) {
        switch (v->vf.state) {
        case VF_BOUND:
        case VF_QUARANTINED:
        case VF_STUCK:
                return kind == STEP_BIND && vf_has_vfio(&v->vf) && vf_fits(v);
        case VF_READY:
        case VF_LEASING:
        case VF_LEASED:
        case VF_RECLAIMING:
                return kind == STEP_FENCE || vf_fits(v);
        case VF_ABSENT:
        case VF_UNMANAGED:
        case VF_UNBOUND:
        case _VF_STATE_MAX:
                break;
        }
        return false;
}

/* More will come of it by itself, and soon. */
static bool vf_is_on_its_way(const struct managed_vf *v) {
        const struct managed_pf *p = managed_pf(v->vf.pf);

        if (v->busy || p->busy)
                return true;
        return v->retry ? v->retries < RETRIES_SOON : !vf_settled(v);
}

static const char *why_vf_step_failed(const struct managed_vf *v) {
        const struct pf *pf = v->vf.pf;
        enum reason r = v->vf.reason != REASON_NONE ? v->vf.reason
                        : pf->stuck                 ? REASON_STUCK
                        : v->vf.lease[0]            ? REASON_LEASED
                                                    : pf->reason;

        return r != REASON_NONE ? reason_sentence(r) : "the VF did not get there";
}

/* The bind that a VF's fence follows, of itself; NULL if it needs none: then the VF keeps a driver that it
 * has. */
static const struct item *bind_before(const struct apply *a, const struct item *i) {
        if (i == a->items || i->step.kind != STEP_FENCE || i[-1].step.kind != STEP_BIND ||
            i[-1].step.blocked || !address_equal(i[-1].step.address, i->step.address))
                return NULL;
        return i - 1;
}

static void start_vf(struct managed_vf *v, const struct step *s) {
        v->take_over = v->take_over || (s->kind == STEP_BIND && s->destructive);
        v->retries = 0; /* asked for: with all its tries */
        vf_unblock(v);
}

/* VFs tell nobody when they arrive. */
static void look_at_vf(struct apply *a, struct item *i) {
        struct managed_vf *v = manager_find_vf(a->manager, i->step.address);
        const struct item *bind = bind_before(a, i);
        bool started = i->progress == RUNNING || bind;

        if (bind && !is_over(bind))
                return;
        if (bind && stops_others(bind))
                skip(a, i);
        else if (!v || v->vf.state == VF_ABSENT)
                item_over(a, i, FAILED, reason_sentence(REASON_GONE));
        else if (vf_step_is_done(v, i->step.kind))
                item_over(a, i, DONE, NULL);
        else if (started ? vf_is_on_its_way(v) : v->busy || managed_pf(v->vf.pf)->busy)
                return;
        else if (!started) {
                i->progress = RUNNING;
                start_vf(v, &i->step);
        } else {
                v->take_over = false; /* whoever saw it fail does not expect it later */
                item_over(a, i, FAILED, why_vf_step_failed(v));
        }
}

/* What the step wants is so, whoever did it. */
static bool pf_step_is_done(const struct pf *pf, const struct step *s) {
        switch (s->kind) {
        case STEP_AUTOPROBE:
                return !pf->autoprobe;
        case STEP_ESWITCH:
                return pf->eswitch == (enum eswitch_mode) s->to;
        case STEP_ENABLE:
        case STEP_RESIZE:
        case STEP_DISABLE:
                return pf->num_vfs == s->to;
        case STEP_PRIMARY:
        case STEP_BIND:
        case STEP_FENCE:
        case _STEP_KIND_MAX:
                break;
        }
        return false;
}

static void look_at_pf(struct apply *a, struct item *i) {
        struct pf *pf = inventory_find_pf(&a->manager->inventory, i->step.address);

        if (!pf)
                item_over(a, i, FAILED, "the PF is gone");
        else if (pf->stuck)
                item_over(a, i, FAILED, reason_sentence(REASON_STUCK));
        else if (managed_pf(pf)->busy || managed_pf(pf)->retry)
                return; /* the end of what is under way, and the retry timer, come by here again */
        else if (managed_pf(pf)->refused)
                item_over(a, i, FAILED, reason_sentence(pf->reason));
        else if (i->progress == RUNNING && pf_step_is_done(pf, &i->step))
                item_over(a, i, DONE, NULL); /* its worker had ended, and another step did the rest */
        else if (i->step.destructive && pf_has_leases(managed_pf(pf)))
                item_over(a, i, FAILED, reason_sentence(REASON_LEASED)); /* since the plan was made */
        else {
                i->progress = RUNNING;
                if (!pf_start_step(managed_pf(pf), &i->step))
                        i->progress = WAITING;
        }
}

/* A step waits until those before it on its PF have ended, well. True while something is to come. */
static bool advance(struct apply *a) {
        bool open = false, held = false, stopped = false;

        for (size_t i = 0; i < a->n; i++) {
                struct item *item = &a->items[i];

                if (i == 0 || !address_equal(item->step.pf, item[-1].step.pf))
                        held = stopped = false;
                if (stopped && !is_over(item))
                        skip(a, item);
                else if (!held && !is_over(item) && is_of_vf(item))
                        look_at_vf(a, item);
                else if (!held && !is_over(item))
                        look_at_pf(a, item);
                open = open || !is_over(item);
                if (!is_of_vf(item)) {
                        held = held || !is_over(item);
                        stopped = stopped || stops_others(item);
                }
        }
        return open;
}

void apply_continue(struct manager *m) {
        struct apply *next;

        for (struct apply *a = m->applies; a; a = next) {
                next = a->next;
                if (advance(a))
                        continue;
                if (a->connection)
                        connection_reply(a->connection, summary(a, NULL, NULL));
                apply_free_one(a);
        }
        if (m->applies)
                sd_event_source_set_enabled(m->apply_tick, SD_EVENT_ONESHOT),
                                sd_event_source_set_time_relative(m->apply_tick, 20000);
}

void apply_step_ended(struct manager *m, struct address pf, enum step_kind kind, const char *error) {
        for (struct apply *a = m->applies; a; a = a->next)
                for (size_t i = 0; i < a->n; i++) {
                        struct item *item = &a->items[i];

                        if (!is_over(item) && item->step.kind == kind &&
                            address_equal(item->step.address, pf))
                                item_over(a, item, error ? FAILED : DONE, error);
                }
}

static int on_tick(sd_event_source *s, uint64_t usec, void *userdata) {
        apply_continue(userdata);
        return 0;
}

static int fill(struct apply *a, const struct plan *plan, bool destructive) {
        a->items = calloc(MAX(plan->n_steps, (size_t) 1), sizeof(*a->items));
        if (!a->items)
                return -ENOMEM;
        FOREACH_ARRAY(s, plan->steps, plan->n_steps) {
                struct item *i = &a->items[a->n];

                if (s->destructive && !destructive)
                        continue;
                i->step = *s;
                i->step.hits = NULL;
                i->json = step_json(s);
                a->n++;
                if (s->blocked)
                        item_over(a, i, s->pending ? PENDING : BLOCKED, reason_sentence(s->reason));
        }
        return 0;
}

/* More VFs for a PF whose VFs are leased: asked for now, done when the last lease ends. */
static void leave_pending(struct manager *m, struct plan *plan, bool later) {
        FOREACH_ARRAY(s, plan->steps, plan->n_steps) {
                struct pf *pf = inventory_find_pf(&m->inventory, s->address);

                if (s->kind != STEP_RESIZE || s->to <= s->from || !pf)
                        continue;
                s->pending = later && s->blocked && s->reason == REASON_LEASED;
                if (pf->pending_vfs == (s->pending ? s->to : 0))
                        continue;
                pf->pending_vfs = s->pending ? s->to : 0;
                store_pending(managed_pf(pf));
        }
}

void apply_start(struct connection *c, bool destructive, bool later) {
        struct manager *m = c->manager;
        struct apply *a;
        struct plan plan;

        if (!m->policy) {
                connection_refuse(c, REASON_POLICY_INVALID, "");
                return;
        }
        for (size_t i = 0; i < m->inventory.n_pfs; i++) /* asked for: try again what failed before */
                pf_forget_refusal(managed_pf(m->inventory.pfs[i]));
        if (!m->apply_tick &&
            sd_event_add_time_relative(m->event, &m->apply_tick, CLOCK_MONOTONIC, 0, 1000, on_tick, m) < 0) {
                connection_fail(c, -ENOMEM, "out of memory");
                return;
        }
        policy_find_drivers(m->root_fd, m->policy);
        const struct world w = manager_world(m);
        int r = plan_make(&w, &plan);
        if (r < 0) {
                connection_fail(c, r, "out of memory");
                return;
        }
        a = calloc(1, sizeof(*a));
        if (!a) {
                plan_done(&plan);
                connection_fail(c, -ENOMEM, "out of memory");
                return;
        }
        a->manager = m;
        a->connection = c;
        connection_suspend(c, on_cancel, a);
        a->next = m->applies;
        m->applies = a;
        if (destructive)
                leave_pending(m, &plan, later);
        r = fill(a, &plan, destructive);
        plan_done(&plan);
        if (r < 0) {
                connection_fail(c, r, "out of memory");
                apply_free_one(a);
                return;
        }
        apply_continue(m);
}

void apply_free(struct manager *m) {
        while (m->applies)
                apply_free_one(m->applies);
        sd_event_source_disable_unref(m->apply_tick);
}
