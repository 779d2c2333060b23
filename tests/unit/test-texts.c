/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Every sentence that allocate() and explain() can say, against a golden file that people have read.
 *
 * usage: test-texts GOLDEN-FILE [--update] */

#include "common/text.h"
#include "policy/allocate.h"
#include "policy/explain.h"
#include "tests/unit/test-policy-host.h"
#include "tests/unit/test.h"

#include <stdio.h>
#include <string.h>

static const char policy_text[] =
                "{ \"version\": 1, \"pools\": {"
                " \"net\": { \"class\": \"network\", \"vfs\": \"max\", \"functions\": [ { \"driver\": \"bnxt_en\" } ],"
                "   \"accept\": [ \"shared-group\" ], \"msix\": 8, \"eswitch\": \"legacy\" },"
                " \"numa\": { \"vfs\": \"max\", \"numa\": \"require\", \"placement\": \"least-loaded\","
                "   \"functions\": [ { \"driver\": \"ice\" } ] },"
                " \"pair\": { \"vfs\": \"50%\", \"anti_affinity\": true, \"placement\": \"spread\","
                "   \"functions\": [ { \"driver\": \"ixgbe\" } ] },"
                " \"disk\": { \"class\": \"storage\", \"vfs\": 2, \"queues\": 3, \"interrupts\": 2,"
                "   \"namespaces\": { \"size\": \"10G\" }, \"functions\": [ { \"driver\": \"nvme\" } ] },"
                " \"bare\": { \"class\": \"storage\", \"vfs\": 1, \"functions\": [ { \"driver\": \"bare\" } ] },"
                " \"list\": { \"class\": \"storage\", \"vfs\": 1, \"functions\": [ { \"driver\": \"list\" } ],"
                "   \"namespaces\": [ 9, 1, 10, 4294967201, 4294967202, 4294967203, 4294967204, 4294967205 ],"
                "   \"erase\": \"crypto\", \"host_disk\": \"allow\" },"
                " \"own\": { \"vfs\": 1, \"functions\": [ { \"driver\": \"own\" } ], \"namespaces\": \"attached\","
                "   \"erase\": \"never\", \"driver\": \"mlx5_vfio_pci\", \"eswitch\": \"switchdev\","
                "   \"max_io_eqs\": 8, \"drift\": \"report\" },"
                " \"card\": { \"assign\": \"function\", \"functions\": [ { \"driver\": \"mlx5_core\" } ] },"
                " \"mix\": { \"vfs\": 4, \"functions\": [ { \"driver\": \"sfc\" } ] },"
                " \"switch\": { \"vfs\": 3, \"accept\": [ \"shared-group\" ],"
                "   \"functions\": [ { \"driver\": \"be2net\" } ] } },"
                "\"tenants\": {"
                " \"red\": { \"users\": [ \"red\", 1001 ], \"groups\": [ \"ops\" ], \"memlock\": \"1G\", \"quota\": 9,"
                "   \"max_lease\": \"8h\", \"pools\": {"
                "   \"net\": { \"quota\": 4, \"vlans\": [ 100, \"200-299\" ], \"macs\": [ \"02:00:00:00:00:00/47\","
                "     \"02:00:00:00:00:08\" ], \"min_tx_mbps\": 400, \"max_tx_mbps\": 1000, \"spoof_check\": true,"
                "     \"trust\": false, \"link_state\": \"auto\" },"
                "   \"numa\": { \"quota\": 20, \"pf_share\": \"50%\" }, \"pair\": { \"quota\": 20 },"
                "   \"disk\": { \"quota\": 1 }, \"card\": { \"quota\": 1 } } },"
                " \"blue\": { \"users\": [ 2001 ], \"pools\": { \"numa\": { \"quota\": 40, \"trust\": true,"
                "   \"spoof_check\": false }, \"pair\": { \"quota\": 1, \"trust\": true, \"rss_query\": true,"
                "   \"macs\": \"derived\", \"max_tx_mbps\": 9, \"wish\": [ \"rss_query\" ] } } },"
                " \"gold\": { \"pools\": { \"net\": { \"quota\": 9, \"pf_share\": \"90%\" }, \"disk\": { \"quota\": 9 }, \"switch\": { \"quota\": 9 },"
                "   \"bare\": { \"quota\": 1 }, \"list\": { \"quota\": 1 }, \"own\": { \"quota\": 1 },"
                "   \"mix\": { \"quota\": 9, \"max_tx_mbps\": 100, \"macs\": \"02:00:00:00:01:00/47\" } } } } }";

/* Two PFs for net, one for numa, two for pair; two for mix, of which one can be told no rate; the VFs of
 * switch share a group; disk has one namespace left. red has some VFs, db1 is promised one. */
static struct host new_host(struct lease *promise) {
        static const struct {
                const char *pool;
                unsigned vfs;
                int node;
        } pfs[] = { { "net", 4, 0 },  { "net", 2, 1 }, { "numa", 4, 1 }, { "pair", 2, 0 },  { "pair", 2, 0 },
                    { "disk", 2, 0 }, { "mix", 4, 0 }, { "mix", 4, 0 },  { "switch", 3, 0 } };
        struct host h = { .policy = policy_of(policy_text),
                          .inventory = { .can_fd = true, .can_node = true } };

        for (unsigned i = 0; i < ARRAY_SIZE(pfs); i++) {
                struct pf *pf = host_add_pf(&h, i + 1, pfs[i].vfs, pfs[i].vfs);

                pf->pool = policy_find_pool(h.policy, pfs[i].pool);
                pf->numa_node = pfs[i].node;
                pf->link_mbps = 1000;
        }
        h.inventory.pfs[1]->drained = true;
        text_copy(h.inventory.pfs[3]->driver, sizeof(h.inventory.pfs[3]->driver), "sfc");
        text_copy(h.inventory.pfs[4]->driver, sizeof(h.inventory.pfs[4]->driver), "sfc");
        h.inventory.pfs[5]->needs_disks = true;
        h.inventory.pfs[5]->free_disks = 1;
        text_copy(h.inventory.pfs[6]->driver, sizeof(h.inventory.pfs[6]->driver), "sfc");
        h.inventory.pfs[7]->vfs[0]->state = VF_QUARANTINED;
        for (unsigned i = 0; i < 3; i++) {
                h.inventory.pfs[8]->vfs[i]->group = 7;
                h.inventory.pfs[8]->vfs[i]->group_devices = 3;
        }
        host_add_lease(&h, "red", "net", "web1", h.inventory.pfs[0], 0, 1)->vfs[0].attributes =
                        (struct vf_attributes){ .set = ATTR_MAC | ATTR_MIN_TX,
                                                .mac = mac_from_number(0x020000000000),
                                                .min_tx_mbps = 400 };
        *promise = *host_add_lease(&h, "red", "net", "db1", h.inventory.pfs[0], 1, 1);
        h.inventory.pfs[0]->vfs[1]->state = VF_READY;
        h.inventory.pfs[0]->vfs[1]->lease[0] = '\0';
        free(h.leases[--h.n_leases]);
        promise->hand_off = HAND_OFF_AUTO;
        return h;
}

#define WANT(p, n)                                                                                           \
        { .pool = (p), .count = (n) }
#define BARE .tenant = "red", .vm = "vm"
#define RED  BARE, .numa_node = NUMA_NODE_ANY, .n_wants = 1
#define GOLD .tenant = "gold", .vm = "vm", .numa_node = NUMA_NODE_ANY, .n_wants = 1

static const struct {
        const char *what;
        struct request request;
        bool no_fd, no_node; /* what the kernel lacks */
} refusals[] = {
        { "an unknown tenant", { .tenant = "green", .vm = "vm", .n_wants = 1, .wants = { WANT("net", 1) } } },
        { "a VM without a name", { .tenant = "red", .vm = "", .n_wants = 1, .wants = { WANT("net", 1) } } },
        { "a group with a bad name", { RED, .group = "../x", .wants = { WANT("net", 1) } } },
        { "a pool of nobody", { RED, .wants = { WANT("nothing", 1) } } },
        { "too many at once", { RED, .wants = { WANT("net", 33) } } },
        { "a foreign VLAN", { RED, .wants = { { "net", 1, { .set = ATTR_VLAN, .vlan = 300 } } } } },
        { "a VLAN where there is none",
          { RED, .wants = { { "pair", 1, { .set = ATTR_VLAN, .vlan = 5 } } } } },
        { "a foreign MAC", { RED, .wants = { { "net", 1, { .set = ATTR_MAC, .mac = { { 2, 9 } } } } } } },
        { "one MAC for two", { RED, .wants = { { "net", 2, { .set = ATTR_MAC, .mac = { { 2 } } } } } } },
        { "a MAC where there is none",
          { RED, .wants = { { "pair", 1, { .set = ATTR_MAC, .mac = { { 2 } } } } } } },
        { "a MAC where they are derived",
          { .tenant = "blue",
            .vm = "web1",
            .numa_node = NUMA_NODE_ANY,
            .n_wants = 1,
            .wants = { { "pair", 1, { .set = ATTR_MAC, .mac = { { 2 } } } } } } },
        { "a MAC that web1 has", { RED, .wants = { { "net", 1, { .set = ATTR_MAC, .mac = { { 2 } } } } } } },
        { "what the driver cannot do",
          { .tenant = "blue",
            .vm = "web1",
            .numa_node = NUMA_NODE_ANY,
            .n_wants = 1,
            .wants = { WANT("pair", 1) } } },
        { "what the driver of a full PF can do", { GOLD, .wants = { WANT("mix", 4) } } },
        { "more than PFs have that can do it", { GOLD, .wants = { WANT("mix", 5) } } },
        { "more MACs than there are", { GOLD, .wants = { WANT("mix", 3) } } },
        { "too high a rate",
          { RED, .wants = { { "net", 1, { .set = ATTR_MAX_TX, .max_tx_mbps = 2000 } } } } },
        { "too much guaranteed",
          { RED, .wants = { { "net", 1, { .set = ATTR_MIN_TX, .min_tx_mbps = 500 } } } } },
        { "a minimum above the maximum",
          { RED,
            .wants = { { "net",
                         1,
                         { .set = ATTR_MIN_TX | ATTR_MAX_TX, .min_tx_mbps = 300, .max_tx_mbps = 200 } } } } },
        { "a VLAN for a disk", { RED, .wants = { { "disk", 1, { .set = ATTR_VLAN, .vlan = 5 } } } } },
        { "too much memory", { RED, .memory = 1ULL << 31, .wants = { WANT("net", 1) } } },
        { "a descriptor that the kernel cannot give",
          { RED, .hand_off = HAND_OFF_FD, .wants = { WANT("net", 1) } },
          .no_fd = true },
        { "a node that the kernel has not",
          { RED, .hand_off = HAND_OFF_NODE, .wants = { WANT("net", 1) } },
          .no_node = true },
        { "a descriptor of a shared group",
          { GOLD, .hand_off = HAND_OFF_FD, .wants = { WANT("switch", 3) } } },
        { "a shared group without nodes", { GOLD, .wants = { WANT("switch", 3) } }, .no_node = true },
        { "a part of a shared group", { GOLD, .wants = { WANT("switch", 2) } } },
        { "more than the quota", { RED, .wants = { WANT("net", 3) } } },
        { "more than the quota ever", { RED, .wants = { WANT("net", 5) } } },
        { "more than the total quota", { RED, .wants = { WANT("numa", 8) } } },
        { "more than the total quota ever", { RED, .wants = { WANT("numa", 10) } } },
        { "more MACs than the ranges have", { RED, .wants = { WANT("net", 4) } } },
        { "more bandwidth than is left", { RED, .wants = { { "net", 2, { 0 } } } } },
        { "more bandwidth than a PF has", { RED, .together = true, .wants = { WANT("net", 3) } } },
        { "no NUMA node", { RED, .wants = { WANT("numa", 1) } } },
        { "another NUMA node", { BARE, .n_wants = 1, .wants = { WANT("numa", 1) } } },
        { "more than the share of a PF",
          { BARE, .numa_node = 1, .n_wants = 1, .wants = { WANT("numa", 3) } } },
        { "more VFs than PFs, apart", { RED, .wants = { WANT("pair", 3) } } },
        { "more VFs than one PF has, together", { RED, .together = true, .wants = { WANT("pair", 2) } } },
        { "both apart and many",
          { BARE, .n_wants = 1, .apart = true, .wants = { WANT("numa", 2) }, .numa_node = 1 } },
        { "more than there are", { RED, .wants = { WANT("pair", 5) } } },
        { "more than there are without the drained", { GOLD, .wants = { WANT("net", 3) } } },
        { "more disks than there are", { GOLD, .wants = { WANT("disk", 2) } } },
        { "a function that is not there", { RED, .wants = { WANT("card", 1) } } },
        { "two pools, one of them empty",
          { BARE, .numa_node = NUMA_NODE_ANY, .n_wants = 2, .wants = { WANT("disk", 1), WANT("card", 1) } } },
};

/* All that allocate() says. */
static const enum reason possible[] = { REASON_NO_SUCH_TENANT,
                                        REASON_BAD_NAME,
                                        REASON_NO_SUCH_POOL,
                                        REASON_LIMIT,
                                        REASON_VLAN,
                                        REASON_MAC,
                                        REASON_MAC_IN_USE,
                                        REASON_MACS_USED_UP,
                                        REASON_RATE,
                                        REASON_NO_ATTRIBUTES,
                                        REASON_MEMLOCK,
                                        REASON_NO_FD_HANDOFF,
                                        REASON_QUOTA,
                                        REASON_NO_NODE_HANDOFF,
                                        REASON_TOTAL_QUOTA,
                                        REASON_ATTRIBUTE_UNSUPPORTED,
                                        REASON_RATE_SUM,
                                        REASON_NUMA,
                                        REASON_PF_SHARE,
                                        REASON_ANTI_AFFINITY,
                                        REASON_AFFINITY,
                                        REASON_POOL_EMPTY,
                                        REASON_NAMESPACES_USED_UP };

/* What only administrators are told. */
static void write_beyond(FILE *f, const struct refusal *why) {
        if (why->beyond[0])
                fprintf(f, "    %s\n", why->beyond);
}

static void write_refusals(FILE *f) {
        struct lease promise;
        struct host h = new_host(&promise);
        const struct lease *promises[] = { &promise };
        struct world w = host_world(&h);
        bool seen[_REASON_MAX] = { false };
        struct refusal why;

        w.promises = promises;
        w.n_promises = 1;
        FOREACH_ARRAY(i, refusals, ARRAY_SIZE(refusals)) {
                struct allocation a;

                h.inventory.can_fd = !i->no_fd;
                h.inventory.can_node = !i->no_node;
                int r = allocate(&w, &i->request, &a, &why);
                seen[r] = true;
                fprintf(f, "%s\n  %s: %s%s%s\n", i->what, reason_name((enum reason) r),
                        r ? reason_sentence((enum reason) r) : "granted", why.detail[0] ? ": " : "",
                        why.detail);
                write_beyond(f, &why);
                r = allocate_ever(&w, &i->request, &why);
                if (r <= REASON_NONE || !reason_may_pass((enum reason) r))
                        continue;
                fprintf(f, "  never %s: %s\n", reason_name((enum reason) r), why.detail);
                write_beyond(f, &why);
        }
        FOREACH_ARRAY(i, possible, ARRAY_SIZE(possible)) {
                assert_true(seen[*i]);
                seen[*i] = false;
        }
        for (unsigned i = 0; i < _REASON_MAX; i++)
                assert_false(seen[i]);
        host_done(&h);
}

static void write_explanations(FILE *f) {
        struct lease promise;
        struct host h = new_host(&promise);
        const struct lease *promises[] = { &promise };
        struct world w = host_world(&h), offline = { .policy = h.policy };

        w.promises = promises;
        w.n_promises = 1;
        FOREACH_ARRAY(t, h.policy->tenants, h.policy->n_tenants)
                FOREACH_ARRAY(g, t->grants, t->n_grants)
                        for (unsigned k = 0; k < 2; k++) {
                                const char *pool = h.policy->pools[g->pool].name;
                                struct explanations e;

                                assert_int_equal(explain(k ? &offline : &w, t->name, pool, &e), REASON_NONE);
                                fprintf(f, "\n%s in %s%s\n", t->name, pool, k ? ", offline" : "");
                                FOREACH_ARRAY(i, e.items, e.n)
                                        fprintf(f, "  %s | %s | %s\n", i->rule, i->value, i->why);
                                explanations_done(&e);
                        }
        host_done(&h);
}

int main(int argc, char **argv) {
        char *text = NULL, golden[64 * 1024] = "";
        size_t size = 0, n;
        FILE *f = open_memstream(&text, &size);

        if (argc < 2 || !f)
                return 2;
        write_refusals(f);
        write_explanations(f);
        fclose(f);
        bool update = argc > 2 && strcmp(argv[2], "--update") == 0;
        f = fopen(argv[1], update ? "w" : "r");
        if (!f)
                return 2;
        if (update)
                n = fwrite(text, 1, size, f);
        else
                n = fread(golden, 1, sizeof(golden), f);
        fclose(f);
        bool same = update ? n == size : n == size && memcmp(golden, text, n) == 0;
        if (!same)
                printf("%s\nis not what %s says\n", text, argv[1]);
        free(text);
        return same ? 0 : 1;
}
