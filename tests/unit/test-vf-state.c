/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The states of a VF: the whole table against a golden file, and what must never be in it. */

#include "daemon/vf.h"
#include "tests/unit/test.h"

#include <string.h>

#define GOLDEN "tests/unit/golden/vf-states.txt"

static char *table_text(void) {
        char *text = NULL;
        size_t size;
        FILE *f = open_memstream(&text, &size);

        for (unsigned e = 0; e < _VF_EVENT_MAX; e++)
                for (unsigned s = 0; s < _VF_STATE_MAX; s++) {
                        enum vf_state next = vf_next((enum vf_state) s, (enum vf_event) e);

                        if (next != _VF_STATE_MAX)
                                fprintf(f, "%-12s %-11s -> %s\n", vf_event_to_string((enum vf_event) e),
                                        vf_state_to_string((enum vf_state) s), vf_state_to_string(next));
                }
        fclose(f);
        return text;
}

static void test_golden(void **state) {
        const char *root = getenv("SOURCE_ROOT");
        char path[512], golden[16384] = "";
        _cleanup_free_ char *text = table_text();

        snprintf(path, sizeof(path), "%s/" GOLDEN, root ? root : ".");
        FILE *f = fopen(path, "re");
        assert_non_null(f);
        assert_true(fread(golden, 1, sizeof(golden) - 1, f) > 0);
        fclose(f);
        if (strcmp(text, golden) != 0)
                fputs(text, stdout); /* cmocka cuts its own messages */
        assert_string_equal(text, golden);
}

/* Whatever happens, a VF becomes leasable only by way of the fence, and leased only by way of being chosen
 * while ready. */
static void test_never(void **state) {
        for (unsigned e = 0; e < _VF_EVENT_MAX; e++)
                for (unsigned s = 0; s < _VF_STATE_MAX; s++) {
                        enum vf_state next = vf_next((enum vf_state) s, (enum vf_event) e);

                        if (next == VF_READY)
                                assert_int_equal(e, VF_EVENT_FENCED);
                        if (next == VF_LEASING) {
                                assert_int_equal(e, VF_EVENT_CHOSEN);
                                assert_int_equal(s, VF_READY);
                        }
                        if (next == VF_LEASED) /* absent: found leased after a restart */
                                assert_true(s == VF_LEASING || s == VF_ABSENT);
                        if (s == VF_QUARANTINED && next != _VF_STATE_MAX)
                                assert_true(next == VF_QUARANTINED || next == VF_STUCK || next == VF_ABSENT ||
                                            e == VF_EVENT_CLEARED);
                        if (s == VF_LEASED && next != _VF_STATE_MAX)
                                assert_true(next == VF_RECLAIMING || next == VF_ABSENT);
                }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_golden),
                cmocka_unit_test(test_never),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
