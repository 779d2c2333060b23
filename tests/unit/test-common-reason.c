/* SPDX-License-Identifier: GPL-2.0-or-later */
/* common/reason: every reason has a name of its own, a sentence and a hint that read well in "…: sentence;
 * hint". */

#include "common/reason.h"
#include "tests/unit/test.h"

#include <string.h>

static void has_texts(void **state) {
        for (unsigned i = 0; i < _REASON_MAX; i++) {
                enum reason r = (enum reason) i;
                const char *name = reason_name(r), *sentence = reason_sentence(r), *hint = reason_hint(r);

                assert_non_null(name);
                assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz-"), strlen(name));
                assert_true(strlen(sentence) > 5 && strlen(hint) > 5);
                assert_int_not_equal(sentence[strlen(sentence) - 1], '.');
                assert_int_not_equal(hint[strlen(hint) - 1], '.');
                assert_int_equal(reason_from_name(name), r);
        }
}

static void knows_names(void **state) {
        assert_int_equal(REASON_NONE, 0);
        assert_string_equal(reason_name(REASON_NONE), "none");
        assert_string_equal(reason_name(REASON_QUOTA), "quota");
        assert_string_equal(reason_sentence(REASON_HELD), "another process still holds the VF");
        assert_int_equal(reason_from_name("not-isolated"), REASON_NOT_ISOLATED);
        assert_int_equal(reason_from_name("no-such-reason"), REASON_NONE);
        assert_int_equal(reason_from_name(""), REASON_NONE);
        assert_string_equal(reason_name(_REASON_MAX), "none");
        assert_string_equal(reason_name((enum reason) 100000), "none");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(has_texts),
                cmocka_unit_test(knows_names),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
