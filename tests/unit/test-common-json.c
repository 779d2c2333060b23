/* SPDX-License-Identifier: GPL-2.0-or-later */
/* common/json: limits, positions, strict dispatch, text. */

#include "common/json.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <string.h>

static void parses(void **state) {
        _cleanup_json_ json_t *v = NULL, *nested = NULL;
        struct json_problem problem;
        char unterminated[] = { '[', '1', ']', 'x' };

        static const char text[] = "{\"a\":[1,true,null,\"x\"]}";

        assert_int_equal(json_parse(text, strlen(text), 2, &v, &problem), 0);
        assert_int_equal(json_array_size(json_object_get(v, "a")), 4);
        assert_int_equal(json_parse(unterminated, 3, 1, &nested, &problem), 0);
        assert_int_equal(json_integer_value(json_array_get(nested, 0)), 1);
}

static void refuses(void **state) {
        static const struct {
                const char *text;
                int line, column;
                const char *message;
        } table[] = {
                { "", 1, 1, "'[' or '{' expected near end of file" },
                { "1", 1, 1, "'[' or '{' expected near '1'" },
                { "{} {}", 1, 4, "end of file expected near '{'" },
                { "{\"a\":1,\n \"a\":2}", 2, 4, "duplicate object key near '\"a\"'" },
                { "[\"\\u0000\"]", 1, 9, "\\u0000 is not allowed without JSON_ALLOW_NUL" },
                { "[\"\xff\"]", 1, 2, "unable to decode byte 0xff" },
                { "[[\n[[1]]]]", 2, 2, "nested deeper than 3 levels" },
                { "{\"[[[[\": \"{{{{\\\"[\", \"b\": [[[1]]]}", 1, 28, "nested deeper than 3 levels" },
                { "{\"a\":1,}", 1, 8, "string or '}' expected near '}'" },
        };

        FOREACH_ARRAY(i, table, ARRAY_SIZE(table)) {
                struct json_problem problem = { 0 };
                json_t *v = NULL;

                assert_int_equal(json_parse(i->text, strlen(i->text), 3, &v, &problem), -EINVAL);
                assert_null(v);
                assert_memory_equal(problem.message, i->message, MIN(strlen(i->message), (size_t) 20));
                assert_int_equal(problem.at.line, i->line);
                assert_int_equal(problem.at.column, i->column);
        }
}

static void refuses_embedded_nul(void **state) {
        struct json_problem problem;
        json_t *v = NULL;

        assert_int_equal(json_parse("{}\0{}", 5, 3, &v, &problem), -EINVAL);
        assert_int_equal(json_parse("[\"a\0b\"]", 7, 3, &v, &problem), -EINVAL);
        assert_null(v);
}

static void locates(void **state) {
        static const char text[] = "{ \"version\": 1,\n"
                                   "  \"tenants\": {\n"
                                   "    \"blue\": { \"x\": \"}]\\\"{\" },\n"
                                   "    \"red\": { \"pools\": { \"net\": { \"quota\": -4 } } },\n"
                                   "    \"a/b~c\": [ 10, {\"k\": []}, [ [ ] , 7 ] ],\n"
                                   "    \"\\u0065\\n\": null\n"
                                   "  }\n"
                                   "}\n";
        static const struct {
                const char *path;
                bool key;
                int line, column;
        } table[] = {
                { "", false, 1, 1 },
                { "/version", true, 1, 3 },
                { "/version", false, 1, 14 },
                { "/tenants", false, 2, 14 },
                { "/tenants/blue/x", false, 3, 20 },
                { "/tenants/red", true, 4, 5 },
                { "/tenants/red/pools/net/quota", true, 4, 34 },
                { "/tenants/red/pools/net/quota", false, 4, 43 },
                { "/tenants/a~1b~0c", true, 5, 5 },
                { "/tenants/a~1b~0c/0", false, 5, 16 },
                { "/tenants/a~1b~0c/1/k", false, 5, 26 },
                { "/tenants/a~1b~0c/2/1", false, 5, 39 },
                { "/tenants/e\n", true, 6, 5 },
                { "/tenants/e\n", false, 6, 17 },
                { "/nothing", false, 0, 0 },
                { "/tenants/red/pools/disk", false, 0, 0 },
                { "/tenants/a~1b~0c/3", false, 0, 0 },
                { "/version/x", false, 0, 0 },
        };

        FOREACH_ARRAY(i, table, ARRAY_SIZE(table)) {
                struct json_position p = json_locate(text, sizeof(text) - 1, i->path, i->key);

                assert_int_equal(p.line, i->line);
                assert_int_equal(p.column, i->column);
        }
}

struct place {
        const char *s;
        int64_t i;
        bool b;
        json_t *object, *array;
};

static int dispatch(const char *text, struct place *p, const char **bad) {
        const struct json_field fields[] = {
                { "s", JSON_KIND_STRING, true, &p->s },     { "i", JSON_KIND_INT, false, &p->i },
                { "b", JSON_KIND_BOOL, false, &p->b },      { "o", JSON_KIND_OBJECT, false, &p->object },
                { "a", JSON_KIND_ARRAY, false, &p->array },
        };
        static json_t *last; /* what the fields borrow from */

        json_decref(last);
        last = text ? json_loads(text, 0, NULL) : NULL;
        return json_dispatch(last, fields, ARRAY_SIZE(fields), bad);
}

static void dispatches(void **state) {
        struct place p = { .i = 7 };
        const char *bad = NULL;

        assert_int_equal(dispatch("{\"s\":\"x\",\"i\":-3,\"b\":true,\"o\":{},\"a\":[1]}", &p, &bad), 0);
        assert_string_equal(p.s, "x");
        assert_int_equal(p.i, -3);
        assert_true(p.b);
        assert_true(json_is_object(p.object));
        assert_int_equal(json_array_size(p.array), 1);

        p = (struct place){ .i = 7 };
        assert_int_equal(dispatch("{\"s\":\"x\",\"i\":null}", &p, &bad), 0);
        assert_int_equal(p.i, 7);
        assert_null(p.object);

        static const struct {
                const char *text, *bad;
        } table[] = {
                { NULL, "s" },
                { "{}", "s" },
                { "{\"s\":null}", "s" },
                { "{\"s\":1}", "s" },
                { "{\"s\":\"x\",\"i\":1.0}", "i" },
                { "{\"s\":\"x\",\"i\":\"1\"}", "i" },
                { "{\"s\":\"x\",\"b\":0}", "b" },
                { "{\"s\":\"x\",\"o\":[]}", "o" },
                { "{\"s\":\"x\",\"a\":{}}", "a" },
                { "{\"s\":\"x\",\"S\":1}", "S" },
                { "{\"s\":\"x\",\"unknown\":null}", "unknown" },
        };
        FOREACH_ARRAY(i, table, ARRAY_SIZE(table)) {
                assert_int_equal(dispatch(i->text, &p, &bad), -EINVAL);
                assert_string_equal(bad, i->bad);
        }
        dispatch(NULL, &p, &bad); /* lets go of the last one */
}

static void prints(void **state) {
        _cleanup_json_ json_t *o = json_object();
        _cleanup_free_ char *text = NULL;

        assert_int_equal(json_put(o, "b", json_text_value("caf\xc3\xa9")), 0);
        assert_int_equal(json_put(o, "a", json_text_value("caf\xe9")), 0);
        assert_int_equal(json_put(o, "n", NULL), 0);
        assert_int_equal(json_put(o, "e", json_string_or_null("")), 0);
        assert_int_equal(json_put(o, "m", json_string_or_null(NULL)), 0);
        assert_int_equal(json_put(o, "s", json_string_or_null("x")), 0);
        text = json_text(o);
        assert_string_equal(
                        text,
                        "{\"b\":\"caf\xc3\xa9\",\"a\":\"caf?\",\"n\":null,\"e\":null,\"m\":null,\"s\":\"x\"}");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(parses),
                cmocka_unit_test(refuses),
                cmocka_unit_test(refuses_embedded_nul),
                cmocka_unit_test(locates),
                cmocka_unit_test(dispatches),
                cmocka_unit_test(prints),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
