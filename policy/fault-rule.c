/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The window of a fault rule. */

#include "policy/fault-rule.h"
#include "common/macro.h"

#include <string.h>

static void move_to(struct fault_window *w, uint64_t slot) {
        if (slot >= w->newest + FAULT_SLOTS)
                memset(w->counts, 0, sizeof(w->counts));
        else
                while (w->newest < slot)
                        w->counts[++w->newest % FAULT_SLOTS] = 0;
        w->newest = MAX(w->newest, slot);
}

uint32_t fault_window_add(struct fault_window *w, const struct fault_rule *rule, uint64_t usec) {
        uint64_t slot_usec = MAX((uint64_t) rule->seconds * 1000000 / FAULT_SLOTS, 1ULL);
        uint32_t sum = 0;

        if (w->slot_usec != slot_usec) /* first use, or another rule */
                *w = (struct fault_window){ .slot_usec = slot_usec, .newest = usec / slot_usec };
        move_to(w, usec / slot_usec);
        uint32_t *now = &w->counts[w->newest % FAULT_SLOTS];
        if (*now < UINT32_MAX / FAULT_SLOTS)
                ++*now;
        for (unsigned i = 0; i < FAULT_SLOTS; i++)
                sum += w->counts[i];
        return sum;
}

bool fault_rule_hit(const struct fault_rule *rule, uint32_t count) {
        return rule->limit > 0 && count >= rule->limit;
}
