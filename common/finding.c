/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names and sentences of the findings. */

#include "common/finding.h"
#include "common/macro.h"

#include <string.h>

static const struct {
        const char *name, *sentence, *hint;
        enum severity severity;
        enum verdict verdict;
        enum reason reason;
        bool acceptable;
} table[] = {
#define X(code, name, severity, verdict, reason, acceptable, text, hint)                                     \
        [FINDING_##code] = { name,      text, hint, SEVERITY_##severity, VERDICT_##verdict, REASON_##reason, \
                             acceptable },
        FINDINGS(X)
#undef X
};

_Static_assert(_FINDING_MAX <= 32, "finding_set has a bit for each");

const char *finding_name(enum finding_code c) {
        return table[c].name;
}

const char *finding_sentence(enum finding_code c) {
        return table[c].sentence;
}

const char *finding_hint(enum finding_code c) {
        return table[c].hint;
}

enum severity finding_severity(enum finding_code c) {
        return table[c].severity;
}

enum verdict finding_verdict(enum finding_code c) {
        return table[c].verdict;
}

enum reason finding_reason(enum finding_code c) {
        return table[c].reason;
}

bool finding_acceptable(enum finding_code c) {
        return table[c].acceptable;
}

enum finding_code finding_from_name(const char *name) {
        for (unsigned i = 0; i < ARRAY_SIZE(table); i++)
                if (strcmp(table[i].name, name) == 0)
                        return (enum finding_code) i;
        return _FINDING_MAX;
}

const char *severity_to_string(enum severity s) {
        static const char *const names[_SEVERITY_MAX] = { "info", "warning", "unsafe" };

        return names[s];
}

const char *verdict_to_string(enum verdict v) {
        static const char *const names[_VERDICT_MAX] = { "isolated", "shared", "unprotected", "unknown" };

        return names[v];
}
