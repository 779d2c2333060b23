/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names and sentences of the reasons. */

#include "common/reason.h"
#include "common/macro.h"

#include <string.h>

static const struct {
        const char *name, *sentence, *hint;
} table[_REASON_MAX] = { [REASON_NONE] = { "none", "nothing is wrong", "nothing to do" },
#define X(code, name, text, hint) [REASON_##code] = { name, text, hint },
                         REASONS(X)
#undef X
};

static unsigned index_of(enum reason r) {
        return (unsigned) r < _REASON_MAX ? (unsigned) r : 0;
}

const char *reason_name(enum reason r) {
        return table[index_of(r)].name;
}

const char *reason_sentence(enum reason r) {
        return table[index_of(r)].sentence;
}

const char *reason_hint(enum reason r) {
        return table[index_of(r)].hint;
}

enum reason reason_from_name(const char *name) {
        for (unsigned i = 0; i < ARRAY_SIZE(table); i++)
                if (strcmp(table[i].name, name) == 0)
                        return (enum reason) i;
        return REASON_NONE;
}
