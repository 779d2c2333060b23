/* SPDX-License-Identifier: GPL-2.0-or-later */
/* policy/: what the parser makes of good policies, and finding things in them. Bad policies are in
 * golden/policy. */

#include "common/limits.h"
#include "tests/unit/test-policy-host.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <string.h>

#define SOURCE(name, content)                                                                                \
        { name, content, sizeof(content) - 1 }

static const char full[] =
                "{ \"version\": 1, \"pools\": {"
                " \"net\": { \"class\": \"network\", \"vfs\": \"max\", \"placement\": \"spread\", \"functions\": ["
                "   { \"driver\": \"igb\", \"numa_node\": -1 }, { \"address\": \"0000:3B:00.*\", \"netdev\": \"eno1\" } ] },"
                " \"disk\": { \"class\": \"storage\", \"vfs\": 8, \"functions\": ["
                "   { \"vendor\": \"8086\", \"device\": \"0xF1aB\" } ] } },"
                "\"tenants\": {"
                " \"red\": { \"users\": [\"red\", 7], \"groups\": [\"ops\", 0], \"memlock\": \"4G\","
                "   \"pools\": { \"disk\": { \"quota\": 1 }, \"net\": { \"quota\": 4 } } },"
                " \"blue\": { } },"
                "\"faults\": { \"dma\": { \"limit\": 3, \"seconds\": 10, \"action\": \"quarantine\" } } }";

static void parses_pools(void **state) {
        _cleanup_(policy_freep) struct policy *p = policy_of(full);
        const struct pool *net = &p->pools[0], *disk = &p->pools[1];

        assert_int_equal(p->n_pools, 2);
        assert_string_equal(net->name, "net");
        assert_int_equal(net->class, POOL_CLASS_NETWORK);
        assert_int_equal(net->placement, PLACEMENT_SPREAD);
        assert_int_equal(net->vfs.kind, COUNT_MAX);
        assert_int_equal(net->n_functions, 2);
        assert_null(net->functions[0].address);
        assert_string_equal(net->functions[0].driver, "igb");
        assert_int_equal(net->functions[0].numa_node, -1);
        assert_int_equal(net->functions[0].vendor, -1);
        assert_int_equal(net->functions[0].device, -1);
        assert_string_equal(net->functions[1].address, "0000:3B:00.*");
        assert_string_equal(net->functions[1].netdev, "eno1");
        assert_null(net->functions[1].driver);
        assert_int_equal(net->functions[1].numa_node, -2);
        assert_int_equal(disk->class, POOL_CLASS_STORAGE);
        assert_int_equal(disk->placement, PLACEMENT_PACK);
        assert_int_equal(disk->vfs.kind, COUNT_NUMBER);
        assert_int_equal(disk->vfs.n, 8);
        assert_int_equal(disk->functions[0].vendor, 0x8086);
        assert_int_equal(disk->functions[0].device, 0xf1ab);
        /* what is left out */
        assert_int_equal(disk->functions[0].subsystem_vendor, -1);
        assert_int_equal(disk->functions[0].subsystem_device, -1);
        assert_null(disk->functions[0].slot);
        assert_null(disk->functions[0].serial);
        assert_false(disk->functions[0].has_mac);
        assert_int_equal(disk->assign, ASSIGN_VF);
        assert_int_equal(disk->numa, NUMA_PREFER);
        assert_false(disk->apart);
        assert_int_equal(disk->msix, 0);
        assert_null(disk->driver);
}

static void parses_tenants(void **state) {
        _cleanup_(policy_freep) struct policy *p = policy_of(full);
        const struct tenant *red = &p->tenants[0], *blue = &p->tenants[1];

        assert_int_equal(p->n_tenants, 2);
        assert_string_equal(red->name, "red");
        assert_int_equal(red->n_users, 2);
        assert_string_equal(red->users[0].name, "red");
        assert_false(red->users[0].resolved);
        assert_null(red->users[1].name);
        assert_true(red->users[1].resolved);
        assert_int_equal(red->users[1].id, 7);
        assert_int_equal(red->n_groups, 2);
        assert_true(red->groups[1].resolved);
        assert_int_equal(red->groups[1].id, 0);
        assert_true(red->memlock == 4ULL << 30);
        assert_int_equal(red->n_grants, 2);
        assert_int_equal(red->grants[0].pool, 1);
        assert_int_equal(red->grants[0].quota, 1);
        assert_int_equal(red->grants[1].pool, 0);
        assert_int_equal(red->grants[1].quota, 4);
        assert_string_equal(blue->name, "blue");
        assert_int_equal(blue->n_users + blue->n_groups + blue->n_grants, 0);
        assert_true(blue->memlock == 0);
        assert_true(blue->quota == QUOTA_NONE);
        assert_true(blue->max_lease == 0);
}

static void parses_faults(void **state) {
        _cleanup_(policy_freep) struct policy *p = policy_of(full);
        _cleanup_(policy_freep) struct policy *none = policy_of("{ \"version\": 1 }");

        assert_int_equal(p->dma_faults.limit, 3);
        assert_int_equal(p->dma_faults.seconds, 10);
        assert_int_equal(p->dma_faults.action, FAULT_ACTION_QUARANTINE);
        assert_int_equal(p->streams, STREAMS_UNKNOWN);
        assert_int_equal(none->dma_faults.limit, 0);
        assert_int_equal(none->streams, STREAMS_UNKNOWN);
        assert_int_equal(none->n_pools + none->n_tenants, 0);
}

/* Pools keep the order of the files, and a tenant may name a pool of a later file. */
static void merges(void **state) {
        static const struct policy_source sources[] = {
                SOURCE("policy.json",
                       "{\"version\":1,\"tenants\":{\"red\":{\"pools\":{\"b\":{\"quota\":2}}}}}"),
                SOURCE("10.json",
                       "{\"version\":1,\"pools\":{\"a\":{\"vfs\":1,\"functions\":[{\"driver\":\"x\"}]}}}"),
                SOURCE("20.json",
                       "{\"version\":1,\"pools\":{\"b\":{\"vfs\":2,\"functions\":[{\"driver\":\"x\"}]}},"
                       "\"tenants\":{\"blue\":{\"pools\":{\"a\":{\"quota\":1}}}},"
                       "\"faults\":{\"dma\":{\"limit\":1,\"seconds\":2,\"action\":\"log\"}}}"),
        };
        _cleanup_(policy_freep) struct policy *p = NULL;
        struct policy_errors errors = { 0 };

        assert_int_equal(policy_parse(sources, ARRAY_SIZE(sources), &p, &errors), 0);
        assert_int_equal(errors.n, 0);
        assert_int_equal(p->n_pools, 2);
        assert_string_equal(p->pools[0].name, "a");
        assert_string_equal(p->pools[1].name, "b");
        assert_int_equal(p->n_tenants, 2);
        assert_int_equal(policy_find_tenant(p, "red")->grants[0].pool, 1);
        assert_int_equal(policy_find_tenant(p, "blue")->grants[0].pool, 0);
        assert_int_equal(p->dma_faults.seconds, 2);
        assert_int_equal(p->dma_faults.action, FAULT_ACTION_LOG);
}

/* The text ends where its size says. */
static void takes_text_without_end(void **state) {
        static const char text[] = "{\"version\":1}garbage";
        const struct policy_source source = { "x", text, 13 };
        _cleanup_(policy_freep) struct policy *p = NULL;
        struct policy_errors errors = { 0 };

        assert_int_equal(policy_parse(&source, 1, &p, &errors), 0);
        assert_non_null(p);
}

static void errors_are_sorted(void **state) {
        static const struct policy_source sources[] = {
                SOURCE("z.json",
                       "{\"version\":1,\n\"tenants\":{\"red\":{\"memlock\":0}},\n\"pools\":{\"a\":1},\"x\":1}"),
                SOURCE("y.json", "{\"tenants\":{\"-\":{}}, \"version\":2}"),
                SOURCE("a.json", "{"),
        };
        static const struct {
                const char *file;
                int line, column;
                const char *path;
        } table[] = {
                { "z.json", 2, 29, "/tenants/red/memlock" },
                { "z.json", 3, 14, "/pools/a" },
                { "z.json", 3, 17, "/x" },
                { "y.json", 1, 13, "/tenants/-" },
                { "y.json", 1, 32, "/version" },
                { "a.json", 1, 1, "" },
        };
        _cleanup_(policy_errors_done) struct policy_errors errors = { 0 };
        struct policy *p = NULL;

        assert_int_equal(policy_parse(sources, ARRAY_SIZE(sources), &p, &errors), -EINVAL);
        assert_null(p);
        assert_int_equal(errors.n, ARRAY_SIZE(table));
        for (size_t i = 0; i < errors.n; i++) {
                assert_string_equal(errors.items[i].file, table[i].file);
                assert_int_equal(errors.items[i].at.line, table[i].line);
                assert_int_equal(errors.items[i].at.column, table[i].column);
                assert_string_equal(errors.items[i].path, table[i].path);
        }
}

/* Fills a string of `size` bytes with repetitions of a piece between head and tail; blanks fill the rest. */
static char *repeat(const char *head, const char *piece, const char *tail, size_t size) {
        char *text = malloc(size + 1);
        size_t at = strlen(head), n = strlen(piece);

        assert_non_null(text);
        memset(text, ' ', size);
        memcpy(text, head, at);
        for (; at + n + strlen(tail) <= size; at += n)
                memcpy(text + at, piece, n);
        memcpy(text + at, tail, strlen(tail));
        text[size] = '\0';
        return text;
}

static void limits_the_size(void **state) {
        _cleanup_free_ char *text = repeat("{\"version\":1", " ", "}", POLICY_FILE_MAX + 1);
        struct policy_source source = { "big.json", text, POLICY_FILE_MAX + 1 };
        _cleanup_(policy_errors_done) struct policy_errors errors = { 0 };
        struct policy *p = NULL;

        assert_int_equal(policy_parse(&source, 1, &p, &errors), -EINVAL);
        assert_int_equal(errors.n, 1);
        assert_string_equal(errors.items[0].message, "found 4194305 bytes; expected at most 4M");

        text[POLICY_FILE_MAX - 1] = '}';
        source.size = POLICY_FILE_MAX;
        _cleanup_(policy_errors_done) struct policy_errors none = { 0 };
        _cleanup_(policy_freep) struct policy *good = NULL;
        assert_int_equal(policy_parse(&source, 1, &good, &none), 0);
}

/* A file of nothing but errors neither takes for ever nor fills the memory. */
static void limits_the_errors(void **state) {
        _cleanup_free_ char *text = repeat("{\"version\":1,\"tenants\":{\"a\":{\"users\":[-1", ",-1", "]}}}",
                                           64UL * 1024);
        const struct policy_source source = { "bad.json", text, 64UL * 1024 };
        _cleanup_(policy_errors_done) struct policy_errors errors = { 0 };
        struct policy *p = NULL;

        assert_int_equal(policy_parse(&source, 1, &p, &errors), -EINVAL);
        assert_int_equal(errors.n, 1001);
        assert_string_equal(errors.items[999].path, "/tenants/a/users/999");
        assert_string_equal(errors.items[1000].message, "there are more than 1000 errors; these come first");
}

/* As many tenants as a file holds: no time but the parser's own. */
static void parses_many_tenants(void **state) {
        _cleanup_free_ char *text = NULL;
        size_t size;
        FILE *f = open_memstream(&text, &size);

        fprintf(f,
                "{\"version\":1,\"pools\":{\"net\":{\"vfs\":1,\"functions\":[{\"driver\":\"x\"}]}},\"tenants\":{");
        for (unsigned i = 0; i < 20000; i++)
                fprintf(f, "%s\"t%u\":{\"users\":[%u],\"pools\":{\"net\":{\"quota\":1}}}", i ? "," : "", i,
                        i + 1);
        fprintf(f, "}}");
        fclose(f);
        _cleanup_(policy_freep) struct policy *p = policy_of(text);
        assert_int_equal(p->n_tenants, 20000);
        assert_int_equal(policy_find_tenant(p, "t19999")->users[0].id, 20000);
}

static void finds(void **state) {
        _cleanup_(policy_freep) struct policy *p = policy_of(full);
        const struct tenant *red = policy_find_tenant(p, "red");

        assert_ptr_equal(red, &p->tenants[0]);
        assert_ptr_equal(policy_find_tenant(p, "blue"), &p->tenants[1]);
        assert_null(policy_find_tenant(p, "re"));
        assert_int_equal(policy_find_pool(p, "disk"), 1);
        assert_int_equal(policy_find_pool(p, "none"), -1);
        assert_int_equal(tenant_find_grant(red, 0)->quota, 4);
        assert_int_equal(tenant_find_grant(red, 1)->quota, 1);
        assert_null(tenant_find_grant(red, 2));
        assert_null(tenant_find_grant(&p->tenants[1], 0));
}

/* Names count from when they are resolved; users are no groups. */
static void knows_users(void **state) {
        _cleanup_(policy_freep) struct policy *p = policy_of(full);
        struct tenant *red = &p->tenants[0];
        static const uint32_t gids[] = { 5, 7, 40 }, root_group[] = { 5, 0 };

        assert_true(tenant_has_user(red, 7, NULL, 0));
        assert_false(tenant_has_user(red, 8, gids, ARRAY_SIZE(gids)));
        assert_true(tenant_has_user(red, 8, root_group, ARRAY_SIZE(root_group)));
        assert_false(tenant_has_user(red, 0, NULL, 0)); /* the unresolved name's id is 0 */
        assert_false(tenant_has_user(&p->tenants[1], 7, gids, ARRAY_SIZE(gids)));
        red->groups[0].id = 40;
        red->groups[0].resolved = true;
        assert_true(tenant_has_user(red, 8, gids, ARRAY_SIZE(gids)));
        red->users[0].id = 9;
        red->users[0].resolved = true;
        assert_true(tenant_has_user(red, 9, NULL, 0));
}

/* What a tenant says goes before "defaults", which may come in a later file. */
static void limits_of_tenants(void **state) {
        static const struct {
                const char *tenant;
                uint64_t memlock;
                uint32_t quota;
                uint64_t max_lease;
        } table[] = {
                { "\"memlock\":1,\"quota\":0,\"max_lease\":7", 1, 0, 7 },
                { "", 4096, 5, 7ULL * 86400 },
                { "\"max_lease\":\"30s\"", 4096, 5, 30 },
                { "\"max_lease\":\"15m\"", 4096, 5, 900 },
                { "\"max_lease\":\"12h\"", 4096, 5, 43200 },
                { "\"max_lease\":\"3650d\",\"quota\":9", 4096, 9, 315360000 },
        };
        static const char defaults[] =
                        "{\"version\":1,\"defaults\":{\"memlock\":\"4K\",\"quota\":5,\"max_lease\":\"7d\"}}";

        FOREACH_ARRAY(i, table, ARRAY_SIZE(table)) {
                char text[256];

                snprintf(text, sizeof(text), "{\"version\":1,\"tenants\":{\"red\":{%s}}}", i->tenant);
                const struct policy_source sources[] = { { "a", text, strlen(text) }, SOURCE("b", defaults) };
                struct policy_errors errors = { 0 };
                _cleanup_(policy_freep) struct policy *p = NULL;

                assert_int_equal(policy_parse(sources, 2, &p, &errors), 0);
                assert_true(p->tenants[0].memlock == i->memlock);
                assert_true(p->tenants[0].quota == i->quota);
                assert_true(p->tenants[0].max_lease == i->max_lease);
        }
}

/* 256 pools that name their functions, 2,000 tenants with 16 grants, each with a MAC range of its own. With
 * twice, the last range is the first one's. */
static char *many(bool twice) {
        char *text = NULL;
        size_t size;
        FILE *f = open_memstream(&text, &size);

        fprintf(f, "{\"version\":1,\"pools\":{");
        for (unsigned i = 0; i < 256; i++)
                fprintf(f,
                        "%s\"p%u\":{\"vfs\":1,\"functions\":[{\"address\":\"0000:%02x:00.0\"},{\"slot\":\"1\",\"netdev\":\"e%u\"}]}",
                        i ? "," : "", i, i, i);
        fprintf(f, "},\"tenants\":{");
        for (unsigned i = 0; i < 2000; i++) {
                fprintf(f, "%s\"t%u\":{\"pools\":{", i ? "," : "", i);
                for (unsigned j = 0; j < 16; j++) {
                        unsigned n = i * 16 + j;

                        if (twice && n == 2000 * 16 - 1)
                                n = 0;
                        fprintf(f, "%s\"p%u\":{\"quota\":1,\"macs\":\"02:%02x:%02x:%02x:00:00/32\"}",
                                j ? "," : "", j, n >> 16 & 255U, n >> 8 & 255U, n & 255U);
                }
                fprintf(f, "}}");
        }
        fprintf(f, "}}");
        fclose(f);
        return text;
}

static void takes_no_time_for_many(void **state) {
        _cleanup_free_ char *text = many(false);
        _cleanup_(policy_freep) struct policy *p = policy_of(text);

        assert_int_equal(p->n_pools, 256);
        assert_int_equal(p->n_tenants, 2000);
        assert_int_equal(policy_find_tenant(p, "t1999")->n_grants, 16);
        assert_int_equal(policy_find_pool(p, "p255"), 255);
}

static void misses_no_overlap(void **state) {
        _cleanup_free_ char *text = many(true);
        const struct policy_source source = { "a", text, strlen(text) };
        _cleanup_(policy_errors_done) struct policy_errors errors = { 0 };
        struct policy *p = NULL;

        assert_int_equal(policy_parse(&source, 1, &p, &errors), -EINVAL);
        assert_int_equal(errors.n, 1);
        assert_string_equal(errors.items[0].path, "/tenants/t1999/pools/p15/macs");
}

/* The pools and the defaults of a file that cannot be read are not known. */
static void blames_no_tenant_for_a_broken_file(void **state) {
        static const struct policy_source sources[] = {
                SOURCE("a",
                       "{\"version\":1,\"pools\":{\"net\":{\"vfs\":1,\"functions\":[{\"driver\":\"x\"}]}},"
                       "\"tenants\":{\"red\":{\"pools\":{\"net\":{\"vlan_qos\":1},\"lan\":{}}}}}"),
                SOURCE("b", "{"),
        };
        _cleanup_(policy_errors_done) struct policy_errors errors = { 0 };
        struct policy *p = NULL;

        assert_int_equal(policy_parse(sources, 2, &p, &errors), -EINVAL);
        assert_int_equal(errors.n, 1);
        assert_string_equal(errors.items[0].file, "b");
}

static void frees_nothing(void **state) {
        assert_null(policy_free(NULL));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(parses_pools),
                cmocka_unit_test(parses_tenants),
                cmocka_unit_test(parses_faults),
                cmocka_unit_test(merges),
                cmocka_unit_test(errors_are_sorted),
                cmocka_unit_test(takes_text_without_end),
                cmocka_unit_test(limits_the_size),
                cmocka_unit_test(limits_the_errors),
                cmocka_unit_test(parses_many_tenants),
                cmocka_unit_test(finds),
                cmocka_unit_test(knows_users),
                cmocka_unit_test(limits_of_tenants),
                cmocka_unit_test(takes_no_time_for_many),
                cmocka_unit_test(misses_no_overlap),
                cmocka_unit_test(blames_no_tenant_for_a_broken_file),
                cmocka_unit_test(frees_nothing),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
