/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Carrying out a plan on request. A PF stops at its first failure, the others go on. */

#include "daemon/apply.h"
#include "common/text.h"
#include "daemon/pf.h"
#include "daemon/reconcile.h"
#include "daemon/store.h"
#include "daemon/to-json.h"

#include <errno.h>

enum progress { WAITING, RUNNING, DONE };

struct item {
        struct step step; /* hits are not kept */
        json_t *json;
        enum progress progress;
};

struct apply {
        struct apply *next;
        struct manager *manager;
        struct connection *connection; /* NULL once the client went away; the work goes on */
        struct item *items;
        size_t n;
        int done, failed;
};

static json_t *summary(const struct apply *a, json_t *step_taken, const char *error) {
        return json_pack("{s:o,s:o,s:i,s:i}", "step", step_taken ? step_taken : json_null(), "error",
                         json_string_or_null(error), "done", a->done, "failed", a->failed);
}

static void item_done(struct apply *a, struct item *i, const char *error) {
        i->progress = DONE;
        if (error)
                a->failed += !i->step.pending; /* that is what was asked for, it only comes later */
        else
                a->done++;
        if (a->connection && a->connection->more)
                connection_reply_more(a->connection, summary(a, json_incref(i->json), error));
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

/* A VF step is over when the VF has come to rest. */
static void look_at_vf(struct apply *a, struct item *i) {
        struct managed_vf *v = manager_find_vf(a->manager, i->step.address);

        if (!v)
                item_done(a, i, "the VF is gone");
        else if (i->progress == WAITING) {
                i->progress = RUNNING;
                v->take_over = v->take_over || (i->step.kind == STEP_BIND && i->step.destructive);
                vf_unblock(v);
        } else if (vf_settled(v))
                item_done(a, i, v->vf.reason == REASON_NONE ? NULL : reason_sentence(v->vf.reason));
}

/* An earlier step of the same PF must have ended, well; else this one may not start. */
static bool must_wait(struct apply *a, struct item *i) {
        for (struct item *j = a->items; j < i; j++)
                if (address_equal(j->step.address, i->step.address) && j->progress != DONE)
                        return true;
        return false;
}

static void look_at_pf(struct apply *a, struct item *i) {
        struct pf *pf = inventory_find_pf(&a->manager->inventory, i->step.address);

        if (!pf)
                item_done(a, i, "the PF is gone");
        else if (pf->stuck)
                item_done(a, i, reason_sentence(REASON_STUCK));
        else if (i->progress == WAITING && i->step.destructive && pf_has_leases(managed_pf(pf)))
                item_done(a, i, reason_sentence(REASON_LEASED)); /* since the plan was made */
        else if (i->progress == WAITING && !must_wait(a, i)) {
                i->progress = RUNNING;
                if (!pf_start_step(managed_pf(pf), &i->step))
                        i->progress = WAITING; /* busy: the end of that step comes by here again */
        }
}

void apply_continue(struct manager *m) {
        struct apply *next;

        for (struct apply *a = m->applies; a; a = next) {
                bool open = false;

                next = a->next;
                for (size_t i = 0; i < a->n; i++) {
                        struct item *item = &a->items[i];

                        if (item->progress == DONE)
                                continue;
                        if (item->step.kind == STEP_BIND || item->step.kind == STEP_FENCE)
                                look_at_vf(a, item);
                        else
                                look_at_pf(a, item);
                        open = open || item->progress != DONE;
                }
                if (open)
                        continue;
                if (a->connection)
                        connection_reply(a->connection, summary(a, NULL, NULL));
                apply_free_one(a);
        }
        if (m->applies) /* VFs on their way tell nobody when they arrive */
                sd_event_source_set_enabled(m->apply_tick, SD_EVENT_ONESHOT),
                                sd_event_source_set_time_relative(m->apply_tick, 20000);
}

void apply_step_ended(struct manager *m, struct address pf, enum step_kind kind, const char *error) {
        for (struct apply *a = m->applies; a; a = a->next)
                for (size_t i = 0; i < a->n; i++) {
                        struct item *item = &a->items[i];

                        if (item->progress == DONE || item->step.kind != kind ||
                            !address_equal(item->step.address, pf))
                                continue;
                        item_done(a, item, error);
                        for (size_t j = i + 1; error && j < a->n; j++)
                                if (address_equal(a->items[j].step.address, pf) &&
                                    a->items[j].progress == WAITING)
                                        item_done(a, &a->items[j], "not tried: an earlier step failed");
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
                        item_done(a, i, reason_sentence(s->reason));
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
