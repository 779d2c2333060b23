/* SPDX-License-Identifier: GPL-2.0-or-later */
/* policy/plan: each rule by a table. */

#include "tests/unit/test-plan.h"
#include "common/nvme.h"

#include <string.h>

static const char policy_text[] =
                "{ \"version\": 1, \"pools\": {"
                " \"all\": { \"vfs\": \"max\", \"functions\": [ { \"driver\": \"igb\" } ] },"
                " \"four\": { \"vfs\": 4, \"functions\": [ { \"driver\": \"ice\" } ] },"
                " \"card\": { \"assign\": \"function\", \"functions\": [ { \"driver\": \"mlx5_core\" } ] } } }";

static struct host new_host(void) {
        struct host h = { .policy = policy_of(policy_text) };

        return h;
}

static const struct {
        int pool;
        unsigned total, now;
        bool autoprobe, stuck;
        unsigned failed;
        enum reason reason;
        const char *plan;
} counts[] = {
        { 0, 7, 7, false, false, 0, REASON_NONE, "" },
        { 0, 7, 0, false, false, 0, REASON_NONE, "enable 0000:01:00.0 0>7\n" },
        { 0, 7, 0, true, false, 0, REASON_NONE, "autoprobe 0000:01:00.0 0>0\nenable 0000:01:00.0 0>7\n" },
        { 0, 7, 7, true, false, 0, REASON_NONE, "autoprobe 0000:01:00.0 0>0\n" },
        { 0, 7, 3, false, false, 0, REASON_NONE, "resize 0000:01:00.0 3>7 !\n" },
        { 0, 7, 3, true, false, 0, REASON_NONE, "autoprobe 0000:01:00.0 0>0\nresize 0000:01:00.0 3>7 !\n" },
        { 1, 7, 7, false, false, 0, REASON_NONE, "resize 0000:01:00.0 7>4 !\n" },
        { 1, 7, 0, false, false, 0, REASON_NONE, "enable 0000:01:00.0 0>4\n" },
        { 1, 2, 0, false, false, 0, REASON_NONE, "enable 0000:01:00.0 0>2\n" },
        { 1, 4, 4, false, false, 0, REASON_NONE, "" },
        { 0, 0, 0, true, false, 0, REASON_NONE, "" },
        { -1, 7, 0, true, false, 0, REASON_NONE, "" },
        { -1, 7, 3, true, true, 0, REASON_NONE, "" },
        { 9, 7, 0, true, false, 0, REASON_NONE, "" }, /* a pool of an older policy */
        /* what was refused is not tried again by itself */
        { 0, 7, 0, false, false, 7, REASON_NUMVFS_NO_ROOM, "enable 0000:01:00.0 0>7 #numvfs-no-room\n" },
        { 0, 7, 0, true, false, 7, REASON_NUMVFS_NO_ROOM,
          "autoprobe 0000:01:00.0 0>0\nenable 0000:01:00.0 0>7 #numvfs-no-room\n" },
        { 0, 7, 0, false, false, 7, REASON_NONE, "enable 0000:01:00.0 0>7 #numvfs-failed\n" },
        { 1, 7, 0, false, false, 7, REASON_NUMVFS_NO_ROOM, "enable 0000:01:00.0 0>4\n" },
        { 0, 7, 3, false, false, 7, REASON_NUMVFS_BUSY, "resize 0000:01:00.0 3>7 ! #numvfs-busy\n" },
        { 0, 7, 7, true, false, 7, REASON_NUMVFS_FAILED, "autoprobe 0000:01:00.0 0>0 #numvfs-failed\n" },
        { 1, 7, 7, true, false, 7, REASON_NUMVFS_FAILED,
          "autoprobe 0000:01:00.0 0>0 #numvfs-failed\nresize 0000:01:00.0 7>4 ! #numvfs-failed\n" },
        { 1, 7, 7, false, false, 7, REASON_NUMVFS_FAILED, "resize 0000:01:00.0 7>4 !\n" },
        /* asking again would destroy VFs for nothing, over and over */
        { 0, 7, 3, false, false, 7, REASON_FEWER_VFS, "enable 0000:01:00.0 3>7 #fewer-vfs\n" },
        { 0, 7, 0, false, false, 7, REASON_FEWER_VFS, "enable 0000:01:00.0 0>7 #fewer-vfs\n" },
        { 1, 7, 3, false, false, 7, REASON_FEWER_VFS, "resize 0000:01:00.0 3>4 !\n" },
        { 0, 7, 0, true, true, 0, REASON_STUCK,
          "autoprobe 0000:01:00.0 0>0 #stuck\nenable 0000:01:00.0 0>7 #stuck\n" },
        { 0, 7, 3, false, true, 7, REASON_STUCK, "resize 0000:01:00.0 3>7 ! #stuck\n" },
};

static void plans_counts(void **state) {
        FOREACH_ARRAY(i, counts, ARRAY_SIZE(counts)) {
                struct host h = new_host();
                struct pf *pf = host_add_pf(&h, 1, i->total, i->now);

                pf->pool = i->pool;
                pf->autoprobe = i->autoprobe;
                pf->stuck = i->stuck;
                pf->failed_num_vfs = i->failed;
                pf->reason = i->reason;
                require_plan(&h, i->plan);
                host_done(&h);
        }
}

#define V NVME_CAN_VIRTUALIZE
#define U NVME_HOST_USES

/* Pools: what the host's controller keeps is not said; nothing; 2 queues, also with a disk of the host. */
static void plans_storage(void **state) {
        static const struct {
                int pool;
                bool known;
                uint32_t can;
                unsigned now, queues, interrupts;
                bool leased;
                const char *plan;
                bool bound; /* the first VF, which is not ready then */
        } rows[] = {
                { 0, true, V, 0, 8, 8, false, "enable 0000:01:00.0 0>4\n" },
                { 0, true, V | U, 0, 8, 8, false, "enable 0000:01:00.0 0>4 #host-disk\n" },
                { 0, true, V | U, 2, 8, 8, false, "resize 0000:01:00.0 2>4 ! #host-disk\n" },
                { 0, true, V | U, 4, 8, 8, false, "fence 0000:01:01.0 0>0 #host-disk\n", .bound = true },
                { 0, true, V, 4, 8, 8, false, "fence 0000:01:01.0 0>0\n", .bound = true },
                { 0, false, V | U, 0, 8, 8, false, "enable 0000:01:00.0 0>4\n" },
                { 1, true, V, 0, 8, 8, false, "primary 0000:01:00.0 8>0 !\nenable 0000:01:00.0 0>4\n" },
                { 1, true, V, 0, 0, 8, false, "primary 0000:01:00.0 8>0 !\nenable 0000:01:00.0 0>4\n" },
                { 1, true, V, 0, 0, 0, false, "enable 0000:01:00.0 0>4\n" },
                { 1, true, 0, 0, 8, 8, false, "enable 0000:01:00.0 0>4\n" },
                { 1, false, V, 0, 8, 8, false, "enable 0000:01:00.0 0>4\n" },
                { 1, true, V, 4, 8, 8, false, "primary 0000:01:00.0 8>0 !\n" },
                { 1, true, V, 4, 8, 8, true, "primary 0000:01:00.0 8>0 ! #leased @vm\n" },
                { 1, true, V | U, 4, 8, 8, false, "primary 0000:01:00.0 8>0 ! #host-disk\n" },
                { 2, true, V, 4, 2, 8, false, "" },
                { 2, true, V, 4, 3, 8, false, "primary 0000:01:00.0 3>2 !\n" },
                { 2, true, V | U, 0, 3, 8, false,
                  "primary 0000:01:00.0 3>2 ! #host-disk\nenable 0000:01:00.0 0>4\n" },
        };

        FOREACH_ARRAY(i, rows, ARRAY_SIZE(rows)) {
                struct host h = {
                        .policy = policy_of(
                                        "{ \"version\": 1, \"pools\": {"
                                        " \"a\": { \"vfs\": 4, \"functions\": [ { \"driver\": \"nvme\" } ] },"
                                        " \"b\": { \"vfs\": 4, \"functions\": [ { \"driver\": \"nvme\" } ],"
                                        "   \"host_queues\": 0, \"host_interrupts\": 0 },"
                                        " \"c\": { \"vfs\": 4, \"functions\": [ { \"driver\": \"nvme\" } ],"
                                        "   \"host_queues\": 2, \"host_disk\": \"allow\" } } }")
                };
                struct pf *pf = host_add_pf(&h, 1, 8, i->now);

                pf->pool = i->pool;
                pf->autoprobe = false;
                if (i->bound)
                        pf->vfs[0]->state = VF_BOUND;
                pf->nvme_known = i->known;
                pf->nvme_can = i->can;
                pf->nvme_host_queues = (uint16_t) i->queues;
                pf->nvme_host_interrupts = (uint16_t) i->interrupts;
                if (i->leased)
                        host_add_lease(&h, "red", "b", "vm", pf, 0, 1);
                require_plan(&h, i->plan);
                host_done(&h);
        }
}

#undef V
#undef U

/* Before VFs are made; and never by taking VFs away unasked. */
static void plans_modes(void **state) {
        static const struct {
                int pool;
                enum eswitch_mode mode;
                unsigned now;
                bool leased;
                enum reason reason;
                const char *plan;
        } table[] = {
                { 0, ESWITCH_UNKNOWN, 0, false, REASON_NONE, "enable 0000:01:00.0 0>4\n" },
                { 0, ESWITCH_SWITCHDEV, 0, false, REASON_NONE, "enable 0000:01:00.0 0>4\n" },
                { 1, ESWITCH_UNKNOWN, 0, false, REASON_NONE, "eswitch 0000:01:00.0 0>3 #eswitch\n" },
                { 1, ESWITCH_NONE, 0, false, REASON_NONE, "eswitch 0000:01:00.0 0>3 #eswitch\n" },
                { 1, ESWITCH_LEGACY, 0, false, REASON_NONE, "eswitch 0000:01:00.0 0>3\n" },
                { 1, ESWITCH_LEGACY, 0, false, REASON_ESWITCH, "eswitch 0000:01:00.0 0>3 #eswitch\n" },
                { 1, ESWITCH_SWITCHDEV, 0, false, REASON_NONE, "enable 0000:01:00.0 0>4\n" },
                { 1, ESWITCH_SWITCHDEV, 4, false, REASON_NONE, "" },
                { 1, ESWITCH_LEGACY, 4, false, REASON_NONE, "eswitch 0000:01:00.0 4>3 !\n" },
                { 1, ESWITCH_LEGACY, 2, true, REASON_NONE, "eswitch 0000:01:00.0 2>3 ! #leased @vm\n" },
                { 2, ESWITCH_UNKNOWN, 0, false, REASON_NONE, "eswitch 0000:01:00.0 0>2 #eswitch\n" },
                { 2, ESWITCH_NONE, 0, false, REASON_NONE, "enable 0000:01:00.0 0>4\n" },
                { 2, ESWITCH_LEGACY, 2, false, REASON_NONE, "resize 0000:01:00.0 2>4 !\n" },
                { 2, ESWITCH_SWITCHDEV, 4, false, REASON_NONE, "eswitch 0000:01:00.0 4>2 !\n" },
        };

        FOREACH_ARRAY(i, table, ARRAY_SIZE(table)) {
                struct host h = {
                        .policy = policy_of(
                                        "{ \"version\": 1, \"pools\": {"
                                        " \"a\": { \"vfs\": 4, \"functions\": [ { \"driver\": \"a\" } ] },"
                                        " \"b\": { \"vfs\": 4, \"functions\": [ { \"driver\": \"a\" } ],"
                                        "   \"eswitch\": \"switchdev\" },"
                                        " \"c\": { \"vfs\": 4, \"functions\": [ { \"driver\": \"a\" } ],"
                                        "   \"eswitch\": \"legacy\" } } }")
                };
                struct pf *pf = host_add_pf(&h, 1, 8, i->now);

                pf->pool = i->pool;
                pf->autoprobe = false;
                pf->eswitch = i->mode;
                pf->reason = i->reason;
                if (i->leased)
                        host_add_lease(&h, "red", "b", "vm", pf, 0, 1);
                require_plan(&h, i->plan);
                host_done(&h);
        }
}

/* Every PF in the order of its address, its own steps before those of its VFs. */
static void orders_steps(void **state) {
        struct host h = new_host();
        struct pf *one = host_add_pf(&h, 1, 4, 2), *two = host_add_pf(&h, 2, 2, 2);

        one->autoprobe = true;
        one->failed_num_vfs = 4;
        one->reason = REASON_NUMVFS_BUSY;
        one->vfs[0]->state = VF_UNBOUND;
        one->vfs[1]->state = VF_BOUND;
        two->stuck = true;
        two->vfs[1]->state = VF_UNBOUND;
        require_plan(&h, "autoprobe 0000:01:00.0 0>0\n"
                         "resize 0000:01:00.0 2>4 ! #numvfs-busy\n"
                         "bind 0000:01:01.0 0>0\n"
                         "fence 0000:01:01.0 0>0\n"
                         "fence 0000:01:01.1 0>0\n"
                         "bind 0000:02:01.1 0>0 #stuck\n"
                         "fence 0000:02:01.1 0>0 #stuck\n");
        host_done(&h);
}

/* A lease counts however it is known: by its list of VFs, by the VF's lease, or by both. */
static void leases_block(void **state) {
        struct host h = new_host();
        struct pf *one = host_add_pf(&h, 1, 8, 6), *two = host_add_pf(&h, 2, 8, 6),
                  *three = host_add_pf(&h, 3, 8, 6);
        struct pf *four = host_add_pf(&h, 4, 8, 6), *five = host_add_pf(&h, 5, 8, 8);

        host_add_lease(&h, "red", "all", "b", one, 4, 2);
        host_add_lease(&h, "red", "all", "five", five, 0, 8);
        host_add_lease(&h, "red", "all", "a", one, 0, 3)->ending = true;
        host_add_lease(&h, "red", "all", "by-address", two, 1, 1);
        two->vfs[1]->lease[0] = '\0';
        two->vfs[1]->state = VF_READY;
        host_add_lease(&h, "red", "all", "by-id", three, 1, 1)->n_vfs = 0;
        text_copy(four->vfs[5]->lease, sizeof(four->vfs[5]->lease), "ffffffffffffffff"); /* in no list */
        require_plan(&h, "resize 0000:01:00.0 6>8 ! #leased @b @a\n"
                         "resize 0000:02:00.0 6>8 ! #leased @by-address\n"
                         "resize 0000:03:00.0 6>8 ! #leased @by-id\n"
                         "resize 0000:04:00.0 6>8 ! #leased\n");
        one->stuck = true;
        for (unsigned i = 0; i < 5; i++) /* one VF in many lists cannot be; if it is, all are named */
                host_add_lease(&h, "red", "all", (const char *[]){ "p", "q", "r", "s", "t" }[i], three, 1, 1);
        two->failed_num_vfs = 8;
        two->reason = REASON_FEWER_VFS;
        three->failed_num_vfs = 8;
        three->reason = REASON_NUMVFS_BUSY;
        require_plan(&h, "resize 0000:01:00.0 6>8 ! #stuck @b @a\n"
                         "enable 0000:02:00.0 6>8 #fewer-vfs\n"
                         "resize 0000:03:00.0 6>8 ! #leased @p @q @r @s @t\n"
                         "resize 0000:04:00.0 6>8 ! #leased\n");
        host_done(&h);
}

/* Fewer VFs would take away what was promised; more bring it back, and who holds a VF stands before a
 * promise. */
static void promises_block(void **state) {
        static const struct {
                unsigned pool, total, now, promised; /* promised: index of the VF */
                bool leased;
                const char *plan;
        } table[] = {
                { 1, 8, 8, 7, false, "resize 0000:01:00.0 8>4 ! #reserved @db\n" },
                { 1, 8, 8, 0, false, "resize 0000:01:00.0 8>4 ! #reserved @db\n" }, /* addresses may change */
                { 1, 8, 8, 7, true, "resize 0000:01:00.0 8>4 ! #leased @vm @db\n" },
                { 0, 8, 4, 3, false, "resize 0000:01:00.0 4>8 ! @db\n" },
                { 1, 8, 0, 3, false, "enable 0000:01:00.0 0>4\n" },
                { 2, 8, 8, 3, false, "disable 0000:01:00.0 8>0 ! #reserved @db\n" },
        };

        FOREACH_ARRAY(i, table, ARRAY_SIZE(table)) {
                struct host h = new_host();
                struct pf *pf = host_add_pf(&h, 1, i->total, i->total), *other = host_add_pf(&h, 2, 4, 4);

                pf->pool = (int) i->pool;
                other->pool = 1;
                host_add_promise(&h, "red", "all", "db", pf, i->promised, 1);
                if (i->leased)
                        host_add_lease(&h, "red", "all", "vm", pf, 1, 1);
                pf_set_vfs(pf, i->now, VF_READY);
                require_plan(&h, i->plan);
                h.promises[0]->vfs[0].pf = other->address; /* of another PF */
                _cleanup_free_ char *text = plan_text(&h);
                assert_null(strstr(text, "reserved"));
                host_done(&h);
        }
}

static void describes(void **state) {
        static const struct {
                struct step step;
                const char *kind, *text;
        } table[] = {
                { { .kind = STEP_AUTOPROBE }, "autoprobe", "keep host drivers off new VFs of 0000:01:00.0" },
                { { .kind = STEP_ESWITCH, .to = ESWITCH_SWITCHDEV },
                  "eswitch",
                  "put the switch of 0000:01:00.0 into mode switchdev" },
                { { .kind = STEP_ESWITCH, .from = 3, .to = ESWITCH_LEGACY },
                  "eswitch",
                  "destroy the 3 VFs of 0000:01:00.0 and put its switch into mode legacy" },
                { { .kind = STEP_ENABLE, .to = 7 }, "enable", "enable 7 VFs on 0000:01:00.0 (now 0)" },
                { { .kind = STEP_RESIZE, .from = 3, .to = 7 },
                  "resize",
                  "destroy the 3 VFs of 0000:01:00.0 and enable 7" },
                { { .kind = STEP_DISABLE, .from = 3 }, "disable", "destroy the 3 VFs of 0000:01:00.0" },
                { { .kind = STEP_BIND }, "bind", "bind 0000:01:00.0 to its VFIO driver" },
                { { .kind = STEP_BIND, .destructive = true },
                  "bind",
                  "move from its host driver 0000:01:00.0 to its VFIO driver" },
                { { .kind = STEP_FENCE }, "fence", "fence 0000:01:00.0" },
                { { .kind = _STEP_KIND_MAX }, "unknown", "unknown step" },
        };
        char buf[128], small[10];

        FOREACH_ARRAY(i, table, ARRAY_SIZE(table)) {
                struct step s = i->step;

                s.address = (struct address){ 0, 1, 0, 0 };
                assert_string_equal(step_kind_to_string(s.kind), i->kind);
                assert_ptr_equal(step_describe(&s, buf, sizeof(buf)), buf);
                assert_string_equal(buf, i->text);
        }
        assert_string_equal(step_describe(&table[3].step, small, sizeof(small)), "enable 7 ");
}

/* 16 PFs with 4,096 VFs, each with a lease of its own: indexes, no walks. */
static void plans_many_leases(void **state) {
        struct host h = new_host();

        for (unsigned i = 0; i < 16; i++) {
                struct pf *pf = host_add_pf(&h, i * 2 + 1, 257, 256);

                for (unsigned k = 0; k < 256; k++)
                        host_add_lease(&h, "red", "all", "vm", pf, k, 1);
        }
        for (unsigned i = 0; i < 20; i++) {
                struct plan p = plan_of(&h);

                assert_int_equal(p.n_steps, 16);
                for (size_t k = 0; k < p.n_steps; k++) {
                        assert_int_equal(p.steps[k].n_hits, 256);
                        assert_ptr_equal(p.steps[k].hits[255], h.leases[k * 256 + 255]);
                }
                plan_done(&p);
        }
        host_done(&h);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(plans_counts), cmocka_unit_test(plans_storage),
                cmocka_unit_test(plans_modes),  cmocka_unit_test(orders_steps),
                cmocka_unit_test(leases_block), cmocka_unit_test(promises_block),
                cmocka_unit_test(describes),    cmocka_unit_test(plans_many_leases),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
