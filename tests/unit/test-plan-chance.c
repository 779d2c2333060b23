/* SPDX-License-Identifier: GPL-2.0-or-later */
/* policy/plan by chance: what is applied leaves nothing to do, and neither leases nor promises nor the host's
 * disks are ever hit. */

#include "common/nvme.h"
#include "tests/unit/test-plan.h"

#include <string.h>

#define CASES 6000U

enum pool_index { ALL, FOUR, HALF, SWITCHDEV, LEGACY, OTHER, GIVING, KEEPING, CARD, _POOLS };

static const char policy_text[] =
                "{ \"version\": 1, \"pools\": {"
                " \"all\": { \"vfs\": \"max\", \"functions\": [ { \"driver\": \"a\" } ] },"
                " \"four\": { \"vfs\": 4, \"functions\": [ { \"driver\": \"b\" } ] },"
                " \"half\": { \"vfs\": \"50%\", \"functions\": [ { \"driver\": \"c\" } ] },"
                " \"switchdev\": { \"vfs\": 4, \"eswitch\": \"switchdev\", \"functions\": [ { \"driver\": \"d\" } ] },"
                " \"legacy\": { \"vfs\": 4, \"eswitch\": \"legacy\", \"functions\": [ { \"driver\": \"e\" } ] },"
                " \"other\": { \"vfs\": \"max\", \"driver\": \"x_vfio_pci\", \"msix\": 8,"
                "   \"functions\": [ { \"driver\": \"x\" } ] },"
                " \"giving\": { \"vfs\": 4, \"host_queues\": 0, \"host_interrupts\": 0,"
                "   \"functions\": [ { \"driver\": \"nvme\" } ] },"
                " \"keeping\": { \"vfs\": 4, \"host_queues\": 2, \"host_disk\": \"allow\","
                "   \"functions\": [ { \"driver\": \"nvme\" } ] },"
                " \"card\": { \"assign\": \"function\", \"functions\": [ { \"driver\": \"f\" } ] } } }";

static struct lease *add_lease(struct host *h, struct pf *pf, struct chance *c) {
        unsigned first = chance_below(c, (unsigned) pf->n_vfs);
        struct lease *l = host_add_lease(h, "red", "all", "vm", pf, first,
                                         1 + chance_below(c, (unsigned) pf->n_vfs - first));

        if (chance_below(c, 3) == 0) /* as after a restart: known from the lease's file alone */
                pf->vfs[first]->lease[0] = '\0';
        l->ending = chance_below(c, 2);
        return l;
}

/* A function of its own right, its "VF" is itself. */
static void make_whole(struct pf *pf) {
        pf->whole = true;
        pf->num_vfs = 0;
        pf->pool = CARD;
        pf->vfs[0]->address = pf->address;
}

static void make_controller(struct pf *pf, struct chance *c) {
        pf->pool = chance_below(c, 2) ? GIVING : KEEPING;
        pf->nvme_known = chance_below(c, 4);
        pf->nvme_can = (chance_below(c, 3) ? NVME_CAN_VIRTUALIZE : 0) |
                       (chance_below(c, 3) == 0 ? NVME_HOST_USES : 0);
        pf->nvme_host_queues = (uint16_t) chance_below(c, 5);
        pf->nvme_host_interrupts = (uint16_t) chance_below(c, 5);
}

static void add_pf(struct host *h, unsigned i, struct chance *c) {
        static const enum reason reasons[] = { REASON_FEWER_VFS, REASON_NUMVFS_BUSY, REASON_ESWITCH,
                                               REASON_HOST_NEEDS_IT };
        unsigned kind = chance_below(c, 6), total = kind == 0 ? 0 : chance_below(c, 9);
        unsigned now = kind == 0 ? 1 : chance_below(c, 2) ? total : chance_below(c, total + 1);
        struct pf *pf = host_add_pf(h, i + 1, total, now);

        pf->pool = (int) chance_below(c, 2) ? (int) chance_below(c, GIVING)
                                            : (int) chance_below(c, _POOLS + 1) - 1;
        pf->autoprobe = chance_below(c, 2);
        pf->stuck = chance_below(c, 10) == 0;
        pf->eswitch = (enum eswitch_mode) chance_below(c, _ESWITCH_MODE_MAX);
        pf->failed_num_vfs = chance_below(c, 4) ? 0 : chance_below(c, 2) ? total : chance_below(c, 9);
        pf->reason = chance_below(c, 3) ? REASON_NONE : reasons[chance_below(c, ARRAY_SIZE(reasons))];
        if (kind == 0)
                make_whole(pf);
        if (kind == 1)
                make_controller(pf, c);
        for (unsigned k = 0; k < now; k++) {
                pf->vfs[k]->state = (enum vf_state) chance_below(c, _VF_STATE_MAX);
                if (chance_below(c, 3) == 0)
                        text_copy(pf->vfs[k]->driver, sizeof(pf->vfs[k]->driver), "igbvf");
                pf->vfs[k]->vectors = chance_below(c, 3) * 4;
        }
        if (now > 0 && chance_below(c, 4) == 0) {
                unsigned first = chance_below(c, now);

                host_add_promise(h, "red", "all", "db", pf, first, 1 + chance_below(c, now - first));
        }
        if (now > 0 && chance_below(c, 4) == 0)
                add_lease(h, pf, c);
}

static struct host random_host(struct chance *c) {
        struct host h = { .policy = policy_of(policy_text) };
        unsigned n = chance_below(c, 6);

        for (unsigned i = 0; i < n; i++)
                add_pf(&h, i, c);
        return h;
}

static struct vf *find_vf(const struct host *h, struct address a) {
        for (size_t i = 0; i < h->inventory.n_pfs; i++)
                for (size_t k = 0; k < h->inventory.pfs[i]->n_vfs; k++)
                        if (address_equal(h->inventory.pfs[i]->vfs[k]->address, a))
                                return h->inventory.pfs[i]->vfs[k];
        return NULL;
}

static bool is_of_vf(const struct step *s) {
        return s->kind == STEP_BIND || s->kind == STEP_FENCE;
}

static struct pf *pf_of(const struct host *h, const struct step *s) {
        struct vf *vf = is_of_vf(s) ? find_vf(h, s->address) : NULL;

        return vf ? vf->pf : inventory_find_pf(&h->inventory, s->address);
}

/* A VF of the PF is in a lease, or in one of the list. */
static bool has_lease(struct lease *const *list, size_t n, const struct host *h, const struct pf *pf) {
        for (size_t i = 0; i < n; i++)
                for (size_t k = 0; k < list[i]->n_vfs; k++) {
                        const struct vf *vf = find_vf(h, list[i]->vfs[k].address);

                        if (vf && vf->pf == pf)
                                return true;
                }
        return false;
}

static bool is_leased(const struct host *h, const struct pf *pf) {
        return has_lease(h->leases, h->n_leases, h, pf);
}

static bool is_promised(const struct host *h, const struct pf *pf) {
        return has_lease(h->promises, h->n_promises, h, pf);
}

/* What the kernel and the daemon would do to a PF. */
static void apply_to_pf(struct host *h, struct pf *pf, const struct step *s) {
        const struct storage *keeps = &h->policy->pools[pf->pool].storage;

        switch (s->kind) {
        case STEP_AUTOPROBE:
                assert_true(pf->autoprobe);
                pf->autoprobe = false;
                break;
        case STEP_PRIMARY:
                if (keeps->takes_queues)
                        pf->nvme_host_queues = (uint16_t) MIN(pf->nvme_host_queues, keeps->host_queues);
                if (keeps->takes_interrupts)
                        pf->nvme_host_interrupts =
                                        (uint16_t) MIN(pf->nvme_host_interrupts, keeps->host_interrupts);
                break;
        case STEP_ESWITCH:
                assert_int_equal(s->from, pf->num_vfs);
                pf_set_vfs(pf, 0, VF_UNBOUND);
                pf->eswitch = (enum eswitch_mode) s->to;
                break;
        case STEP_ENABLE:
                assert_int_equal(pf->num_vfs, 0);
                assert_int_equal(s->from, 0);
                assert_false(pf->autoprobe);
                pf_set_vfs(pf, s->to, VF_UNBOUND);
                break;
        case STEP_RESIZE:
        case STEP_DISABLE:
                assert_true(s->from > 0 && s->from == pf->num_vfs);
                assert_true((s->to == 0) == (s->kind == STEP_DISABLE));
                pf_set_vfs(pf, s->to, VF_UNBOUND);
                break;
        case STEP_BIND:
        case STEP_FENCE:
        case _STEP_KIND_MAX:
                fail();
        }
}

static void apply_to_vf(const struct host *h, struct vf *vf, const struct step *s) {
        const struct pool *pool = &h->policy->pools[vf->pf->pool];

        if (s->kind == STEP_FENCE) {
                assert_int_equal(vf->state, VF_BOUND);
                vf->state = VF_READY;
                return;
        }
        if (vf->state == VF_UNBOUND)
                assert_true(s->destructive || vf->driver[0] == '\0');
        else {
                assert_true(!s->destructive && pool_misfit(pool, vf) != MISFIT_NONE);
                assert_true(vf->state == VF_READY || vf->state == VF_BOUND);
        }
        text_copy(vf->driver, sizeof(vf->driver), pool->driver ? pool->driver : "vfio-pci");
        vf->vectors = pool->msix;
        vf->state = VF_BOUND;
}

/* Applies what is not blocked. VFs that are destroyed have no steps. */
static void apply(struct host *h, const struct plan *p, unsigned done[_STEP_KIND_MAX]) {
        const struct pf *destroyed = NULL;

        FOREACH_ARRAY(s, p->steps, p->n_steps) {
                struct pf *pf = pf_of(h, s);

                if (s->blocked)
                        continue;
                assert_true(!is_of_vf(s) || pf != destroyed);
                done[s->kind]++;
                if (is_of_vf(s)) {
                        apply_to_vf(h, find_vf(h, s->address), s);
                        continue;
                }
                if (s->kind == STEP_RESIZE || s->kind == STEP_DISABLE || s->kind == STEP_ESWITCH)
                        destroyed = pf;
                apply_to_pf(h, pf, s);
        }
}

/* Which steps somebody could miss something by. */
static bool must_be_asked_for(const struct host *h, const struct step *s) {
        const struct vf *vf = find_vf(h, s->address);

        switch (s->kind) {
        case STEP_PRIMARY:
        case STEP_RESIZE:
        case STEP_DISABLE:
                return true;
        case STEP_ESWITCH:
                return s->from > 0;
        case STEP_BIND:
        case STEP_FENCE: /* as its bind */
                return vf->state == VF_UNBOUND && vf->driver[0] && !driver_is_vfio(vf->driver);
        case STEP_AUTOPROBE:
        case STEP_ENABLE:
        case _STEP_KIND_MAX:
                break;
        }
        return false;
}

static void require_harmless(const struct host *h, const struct pf *pf, const struct step *s) {
        bool host_uses = pf->nvme_known && pf->nvme_can & NVME_HOST_USES;
        bool allowed = h->policy->pools[pf->pool].storage.host_disk;

        if (!is_of_vf(s) && s->destructive && is_leased(h, pf))
                assert_true(s->blocked && s->n_hits > 0);
        if (is_of_vf(s))
                assert_int_not_equal(find_vf(h, s->address)->state, VF_LEASED);
        if ((s->kind == STEP_RESIZE || s->kind == STEP_DISABLE) && s->to < s->from && is_promised(h, pf))
                assert_true(s->blocked);
        if (s->kind == STEP_PRIMARY && host_uses)
                assert_true(s->blocked);
        if ((s->kind == STEP_ENABLE || s->kind == STEP_RESIZE) && host_uses && !allowed)
                assert_true(s->blocked);
        if (pf->whole)
                assert_true(is_of_vf(s));
}

static void require_sound(const struct host *h, const struct plan *p, unsigned why[_REASON_MAX]) {
        const struct pf *last = NULL;

        FOREACH_ARRAY(s, p->steps, p->n_steps) {
                const struct pf *pf = pf_of(h, s);

                assert_non_null(pf);
                assert_true(pf->pool >= 0);
                assert_true(s->blocked || !pf->stuck);
                assert_true(s->blocked == (s->reason != REASON_NONE));
                assert_true(s->because[0] != '\0');
                why[s->reason]++;
                if (last && address_compare(last->address, pf->address) > 0)
                        fail_msg("steps are not in the order of PFs");
                last = pf;
                assert_int_equal(s->destructive, must_be_asked_for(h, s));
                require_harmless(h, pf, s);
        }
}

/* Has a step of the plan put the PF's switch into another mode, so that its VFs come next? */
static bool was_switched(const struct plan *p, struct address pf) {
        FOREACH_ARRAY(s, p->steps, p->n_steps)
                if (s->kind == STEP_ESWITCH && !s->blocked && address_equal(s->address, pf))
                        return true;
        return false;
}

static void applied_plans_leave_nothing(void **state) {
        struct chance c = chance_begin();
        unsigned done[_STEP_KIND_MAX] = { 0 }, why[_REASON_MAX] = { 0 };

        for (unsigned i = 0; i < CASES; i++) {
                struct host h = random_host(&c);
                _cleanup_free_ char *text = plan_text(&h), *again = plan_text(&h);
                struct plan first = plan_of(&h), p = { 0 };

                assert_string_equal(text, again);
                require_sound(&h, &first, why);
                apply(&h, &first, done);
                /* VFs that did not exist before, then those of switches */
                for (unsigned round = 0; round < 3; round++) {
                        p = plan_of(&h);
                        require_sound(&h, &p, why);
                        FOREACH_ARRAY(s, p.steps, p.n_steps)
                                assert_true(s->blocked || (round < 2 && is_of_vf(s)) ||
                                            (round == 0 &&
                                             (s->kind == STEP_ENABLE || s->kind == STEP_AUTOPROBE) &&
                                             was_switched(&first, s->address)));
                        apply(&h, &p, done);
                        plan_done(&p);
                }
                plan_done(&first);
                host_done(&h);
        }
        for (unsigned k = 0; k < _STEP_KIND_MAX; k++) {
                printf("%s: %u\n", step_kind_to_string((enum step_kind) k), done[k]);
                assert_true(done[k] > CASES / 300);
        }
        static const enum reason each[] = { REASON_STUCK,         REASON_LEASED,       REASON_RESERVED,
                                            REASON_HOST_DISK,     REASON_ESWITCH,      REASON_FEWER_VFS,
                                            REASON_NUMVFS_FAILED, REASON_HOST_NEEDS_IT };
        FOREACH_ARRAY(e, each, ARRAY_SIZE(each)) {
                printf("%s: %u\n", reason_name(*e), why[*e]);
                assert_true(why[*e] > 5);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(applied_plans_leave_nothing),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
