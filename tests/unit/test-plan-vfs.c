/* SPDX-License-Identifier: GPL-2.0-or-later */
/* policy/plan: the steps of VFs, and whom the steps of their PFs hit. */

#include "common/nvme.h"
#include "tests/unit/test-plan.h"

#include <string.h>

static const char policy_text[] =
                "{ \"version\": 1, \"pools\": {"
                " \"all\": { \"vfs\": \"max\", \"functions\": [ { \"driver\": \"igb\" } ] } } }";

static void plans_vfs(void **state) {
        static const struct {
                enum vf_state state;
                const char *driver;
                const char *plan;
        } table[] = {
                { VF_UNBOUND, "", "bind 0000:01:01.0 0>0\nfence 0000:01:01.0 0>0\n" },
                { VF_UNBOUND, "igbvf", "bind 0000:01:01.0 0>0 !\nfence 0000:01:01.0 0>0 !\n" },
                { VF_UNBOUND, "vfio-pci", "bind 0000:01:01.0 0>0\nfence 0000:01:01.0 0>0\n" },
                { VF_UNBOUND, "mlx5_vfio_pci", "bind 0000:01:01.0 0>0\nfence 0000:01:01.0 0>0\n" },
                { VF_UNBOUND, "_vfio_pci", "bind 0000:01:01.0 0>0 !\nfence 0000:01:01.0 0>0 !\n" },
                { VF_BOUND, "vfio-pci", "fence 0000:01:01.0 0>0\n" },
                { VF_READY, "vfio-pci", "" },
                { VF_ABSENT, "", "" },
                { VF_UNMANAGED, "igbvf", "" },
                { VF_LEASING, "vfio-pci", "" },
                { VF_LEASED, "vfio-pci", "" },
                { VF_RECLAIMING, "vfio-pci", "" },
                { VF_QUARANTINED, "vfio-pci", "" },
                { VF_STUCK, "vfio-pci", "" },
        };

        FOREACH_ARRAY(i, table, ARRAY_SIZE(table)) {
                struct host h = { .policy = policy_of(policy_text) };
                struct pf *pf = host_add_pf(&h, 1, 1, 1);

                pf->vfs[0]->state = i->state;
                text_copy(pf->vfs[0]->driver, sizeof(pf->vfs[0]->driver), i->driver);
                require_plan(&h, i->plan);
                pf->pool = -1;
                require_plan(&h, "");
                host_done(&h);
        }
}

/* What an idle VF has to be bound anew for; others are left alone, and so is what cannot be. */
static void rebinds_vfs(void **state) {
        static const struct {
                enum vf_state state;
                int pool;
                const char *driver;
                unsigned vectors;
                bool missing, identified;
                const char *plan;
        } rows[] = {
                { VF_READY, 0, "vfio-pci", 4, false, true, "" },
                { VF_READY, 1, "x_vfio_pci", 4, false, true, "" },
                { VF_READY, 1, "vfio-pci", 4, false, true,
                  "bind 0000:01:01.0 0>0\nfence 0000:01:01.0 0>0\n" },
                { VF_BOUND, 1, "vfio-pci", 4, false, true,
                  "bind 0000:01:01.0 0>0\nfence 0000:01:01.0 0>0\n" },
                { VF_READY, 1, "vfio-pci", 4, true, true, "bind 0000:01:01.0 0>0 #probe-failed\n" },
                { VF_BOUND, 1, "vfio-pci", 4, true, true,
                  "bind 0000:01:01.0 0>0 #probe-failed\nfence 0000:01:01.0 0>0\n" },
                { VF_READY, 2, "vfio-pci", 8, false, true, "" },
                { VF_READY, 2, "vfio-pci", 0, false, true, "" }, /* unknown: as it may be */
                { VF_READY, 2, "vfio-pci", 4, false, true,
                  "bind 0000:01:01.0 0>0\nfence 0000:01:01.0 0>0\n" },
                { VF_READY, 3, "vfio-pci", 4, false, true, "bind 0000:01:01.0 0>0 #msix-failed\n" },
                { VF_READY, 3, "vfio-pci", 4, false, false,
                  "bind 0000:01:01.0 0>0\nfence 0000:01:01.0 0>0\n" },
                { VF_LEASED, 1, "vfio-pci", 4, false, true, "" },
                { VF_LEASING, 1, "vfio-pci", 4, false, true, "" },
                { VF_RECLAIMING, 1, "vfio-pci", 4, false, true, "" },
                { VF_QUARANTINED, 2, "vfio-pci", 4, false, true, "" },
                { VF_UNBOUND, 1, "", 0, false, true, "bind 0000:01:01.0 0>0\nfence 0000:01:01.0 0>0\n" },
        };

        FOREACH_ARRAY(i, rows, ARRAY_SIZE(rows)) {
                struct host h = {
                        .policy = policy_of(
                                        "{ \"version\": 1, \"pools\": {"
                                        " \"a\": { \"vfs\": 1, \"functions\": [ { \"driver\": \"a\" } ] },"
                                        " \"b\": { \"vfs\": 1, \"functions\": [ { \"driver\": \"a\" } ],"
                                        "   \"driver\": \"x_vfio_pci\" },"
                                        " \"c\": { \"vfs\": 1, \"functions\": [ { \"driver\": \"a\" } ],"
                                        "   \"msix\": 8 },"
                                        " \"d\": { \"vfs\": 1, \"functions\": [ { \"driver\": \"a\" } ],"
                                        "   \"msix\": 9 } } }")
                };
                struct pf *pf = host_add_pf(&h, 1, 1, 1);

                h.policy->pools[1].driver_missing = i->missing;
                pf->pool = i->pool;
                pf->identified = i->identified;
                pf->vf_total_msix = 8;
                pf->vfs[0]->state = i->state;
                pf->vfs[0]->vectors = i->vectors;
                text_copy(pf->vfs[0]->driver, sizeof(pf->vfs[0]->driver), i->driver);
                require_plan(&h, i->plan);
                host_done(&h);
        }
}

/* Nothing is done to VFs that a step of their PF destroys; they have steps again while that one is blocked.
 */
static void destroyed_vfs_have_no_steps(void **state) {
        static const char *const destroying[] = { "resize 0000:01:00.0 2>4 !", "eswitch 0000:01:00.0 2>3 !" };

        for (unsigned i = 0; i < ARRAY_SIZE(destroying); i++) {
                struct host h = {
                        .policy = policy_of(
                                        "{ \"version\": 1, \"pools\": {"
                                        " \"a\": { \"vfs\": 4, \"functions\": [ { \"driver\": \"a\" } ] },"
                                        " \"b\": { \"vfs\": 2, \"functions\": [ { \"driver\": \"a\" } ],"
                                        "   \"eswitch\": \"switchdev\" } } }")
                };
                struct pf *one = host_add_pf(&h, 1, 4, 2), *two = host_add_pf(&h, 2, 2, 2);
                char text[256];

                one->pool = (int) i;
                one->eswitch = ESWITCH_LEGACY;
                two->pool = 1;
                two->eswitch = ESWITCH_SWITCHDEV;
                one->vfs[0]->state = two->vfs[0]->state = VF_UNBOUND;
                one->vfs[1]->state = VF_BOUND;
                snprintf(text, sizeof(text), "%s\nbind 0000:02:01.0 0>0\nfence 0000:02:01.0 0>0\n",
                         destroying[i]);
                require_plan(&h, text);
                one->stuck = true;
                snprintf(text, sizeof(text),
                         "%s #stuck\n"
                         "bind 0000:01:01.0 0>0 #stuck\nfence 0000:01:01.0 0>0 #stuck\n"
                         "fence 0000:01:01.1 0>0 #stuck\n"
                         "bind 0000:02:01.0 0>0\nfence 0000:02:01.0 0>0\n",
                         destroying[i]);
                require_plan(&h, text);
                host_done(&h);
        }
}

/* Whoever is promised VFs of a PF is hit by what destroys or resets these, and stands in the way only of a
 * smaller count. */
static void promises_are_hit(void **state) {
        static const struct {
                int pool;
                unsigned now;
                enum eswitch_mode mode;
                bool leased;
                const char *plan;
        } rows[] = {
                { 0, 2, ESWITCH_NONE, false, "resize 0000:01:00.0 2>4 ! @kept\n" },
                { 0, 6, ESWITCH_NONE, false, "resize 0000:01:00.0 6>4 ! #reserved @kept\n" },
                { 0, 2, ESWITCH_NONE, true, "resize 0000:01:00.0 2>4 ! #leased @vm @kept\n" },
                { 0, 6, ESWITCH_NONE, true, "resize 0000:01:00.0 6>4 ! #leased @vm @kept\n" },
                { 1, 4, ESWITCH_LEGACY, false, "eswitch 0000:01:00.0 4>3 ! @kept\n" },
                { 2, 4, ESWITCH_NONE, false, "primary 0000:01:00.0 8>0 ! @kept\n" },
                { 0, 4, ESWITCH_NONE, false, "" },
        };

        FOREACH_ARRAY(i, rows, ARRAY_SIZE(rows)) {
                struct host h = {
                        .policy = policy_of(
                                        "{ \"version\": 1, \"pools\": {"
                                        " \"a\": { \"vfs\": 4, \"functions\": [ { \"driver\": \"a\" } ] },"
                                        " \"b\": { \"vfs\": 4, \"functions\": [ { \"driver\": \"a\" } ],"
                                        "   \"eswitch\": \"switchdev\" },"
                                        " \"c\": { \"vfs\": 4, \"functions\": [ { \"driver\": \"a\" } ],"
                                        "   \"host_queues\": 0 } } }")
                };
                struct pf *pf = host_add_pf(&h, 1, 8, i->now), *other = host_add_pf(&h, 2, 8, 2);
                char text[256];

                pf->pool = i->pool;
                pf->eswitch = i->mode;
                pf->nvme_known = true;
                pf->nvme_can = NVME_CAN_VIRTUALIZE;
                pf->nvme_host_queues = 8;
                if (i->leased)
                        host_add_lease(&h, "red", "a", "vm", pf, 0, 1);
                host_add_promise(&h, "red", "all", "kept", pf, 1, 1);
                snprintf(text, sizeof(text), "%sresize 0000:02:00.0 2>4 !\n", i->plan);
                require_plan(&h, text);
                other->num_vfs = 0; /* what destroys nothing hits nobody */
                snprintf(text, sizeof(text), "%senable 0000:02:00.0 0>4\n", i->plan);
                require_plan(&h, text);
                host_done(&h);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(plans_vfs),
                cmocka_unit_test(rebinds_vfs),
                cmocka_unit_test(destroyed_vfs_have_no_steps),
                cmocka_unit_test(promises_are_hit),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
