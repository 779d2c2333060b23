/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Plans of a host, as they are and as text: what the tests of plan_make() share. */

#include "common/text.h"
#include "policy/plan.h"
#include "tests/unit/test-policy-host.h"
#include "tests/unit/test.h"

static inline struct plan plan_of(const struct host *h) {
        struct plan p = { 0 };

        const struct world w = host_world(h);

        assert_int_equal(plan_make(&w, &p), 0);
        return p;
}

/* The plan as text, one line a step: kind address from>to, '!' destructive, '#' with the reason blocked, '@'
 * hits. */
static inline char *plan_text(const struct host *h) {
        struct plan p = plan_of(h);
        char *text = NULL;

        text_append(&text, "%s", "");
        for (size_t i = 0; i < p.n_steps; i++) {
                const struct step *s = &p.steps[i];

                text_append(&text, "%s %s %u>%u%s%s%s", step_kind_to_string(s->kind), ADDRESS_STR(s->address),
                            s->from, s->to, s->destructive ? " !" : "", s->blocked ? " #" : "",
                            s->blocked ? reason_name(s->reason) : "");
                for (size_t k = 0; k < s->n_hits; k++)
                        text_append(&text, " @%s", s->hits[k]->vm);
                text_append(&text, "\n");
                assert_true(s->blocked == (s->reason != REASON_NONE));
        }
        plan_done(&p);
        return text;
}

static inline void require_plan(const struct host *h, const char *expected) {
        _cleanup_free_ char *text = plan_text(h);

        assert_string_equal(text, expected);
}
