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
        assert_int_equal(net->vfs, POOL_VFS_MAX_ALL);
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
        assert_int_equal(disk->vfs, 8);
        assert_int_equal(disk->functions[0].vendor, 0x8086);
        assert_int_equal(disk->functions[0].device, 0xf1ab);
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
}

static void parses_faults(void **state) {
        _cleanup_(policy_freep) struct policy *p = policy_of(full);
        _cleanup_(policy_freep) struct policy *none = policy_of("{ \"version\": 1 }");

        assert_int_equal(p->dma_faults.limit, 3);
        assert_int_equal(p->dma_faults.seconds, 10);
        assert_int_equal(p->dma_faults.action, FAULT_ACTION_QUARANTINE);
        assert_int_equal(none->dma_faults.limit, 0);
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

static void selects(void **state) {
        static const struct {
                const char *class, *selector;
                bool selected;
        } table[] = {
                { "", "{\"driver\":\"igb\"}", true },
                { "", "{\"driver\":\"ig\"}", false },
                { "", "{\"netdev\":\"eno1\"}", true },
                { "", "{\"netdev\":\"eno\"}", false },
                { "", "{\"address\":\"0000:3b:00.0\"}", true },
                { "", "{\"address\":\"0000:3B:00.0\"}", true },
                { "", "{\"address\":\"0000:3b:00.?\"}", true },
                { "", "{\"address\":\"*\"}", true },
                { "", "{\"address\":\"0000:3b:*.1\"}", false },
                { "", "{\"vendor\":\"8086\"}", true },
                { "", "{\"vendor\":\"0x8086\",\"device\":\"10c9\"}", true },
                { "", "{\"vendor\":\"8086\",\"device\":\"10ca\"}", false },
                { "", "{\"device\":\"0\"}", false },
                { "", "{\"numa_node\":1}", true },
                { "", "{\"numa_node\":-1}", false },
                { "", "{\"driver\":\"igb\",\"numa_node\":0}", false },
                { "", "{\"driver\":\"no\"},{\"driver\":\"igb\"}", true },
                { "\"class\":\"network\",", "{\"driver\":\"igb\"}", true },
                { "\"class\":\"storage\",", "{\"driver\":\"igb\"}", false },
        };
        struct pf pf = { .address = { 0, 0x3b, 0, 0 },
                         .driver = "igb",
                         .netdev = "eno1",
                         .vendor = 0x8086,
                         .device = 0x10c9,
                         .class = 0x020000,
                         .numa_node = 1 };

        FOREACH_ARRAY(i, table, ARRAY_SIZE(table)) {
                char text[512];

                snprintf(text, sizeof(text),
                         "{\"version\":1,\"pools\":{\"p\":{%s\"vfs\":1,\"functions\":[%s]}}}", i->class,
                         i->selector);
                _cleanup_(policy_freep) struct policy *p = policy_of(text);
                if (policy_pool_of(p, &pf) != (i->selected ? 0 : -1))
                        fail_msg("%s", text);
        }
}

static void selects_by_class(void **state) {
        static const struct {
                uint32_t class;
                int pool;
        } table[] = {
                { 0x020000, 0 }, { 0x028000, 0 }, { 0x02ffff, 0 }, { 0x010802, 1 },
                { 0x010800, 1 }, { 0x010700, 2 }, { 0x120000, 2 }, { 0x030000, 2 },
        };
        _cleanup_(policy_freep) struct policy *p = policy_of(
                        "{\"version\":1,\"pools\":{"
                        "\"n\":{\"class\":\"network\",\"vfs\":1,\"functions\":[{\"address\":\"*\"}]},"
                        "\"s\":{\"class\":\"storage\",\"vfs\":1,\"functions\":[{\"address\":\"*\"}]},"
                        "\"any\":{\"vfs\":1,\"functions\":[{\"address\":\"*\"}]},"
                        "\"never\":{\"vfs\":1,\"functions\":[{\"address\":\"*\"}]}}}");

        FOREACH_ARRAY(i, table, ARRAY_SIZE(table)) {
                struct pf pf = { .class = i->class };

                assert_int_equal(policy_pool_of(p, &pf), i->pool);
        }
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

static void names_classes(void **state) {
        assert_string_equal(pool_class_to_string(POOL_CLASS_ANY), "any");
        assert_string_equal(pool_class_to_string(POOL_CLASS_NETWORK), "network");
        assert_string_equal(pool_class_to_string(POOL_CLASS_STORAGE), "storage");
        assert_string_equal(pool_class_to_string(_POOL_CLASS_MAX), "unknown");
        assert_null(policy_free(NULL));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(parses_pools),      cmocka_unit_test(parses_tenants),
                cmocka_unit_test(parses_faults),     cmocka_unit_test(merges),
                cmocka_unit_test(errors_are_sorted), cmocka_unit_test(takes_text_without_end),
                cmocka_unit_test(limits_the_size),   cmocka_unit_test(limits_the_errors),
                cmocka_unit_test(selects),           cmocka_unit_test(parses_many_tenants),
                cmocka_unit_test(selects_by_class),  cmocka_unit_test(finds),
                cmocka_unit_test(knows_users),       cmocka_unit_test(names_classes),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
