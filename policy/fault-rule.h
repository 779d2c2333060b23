/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* When the faults of one VF are too many. Pure. */

#include "policy/policy.h"

/* Faults in sixteenths of the rule's time, so that any number of them costs the same memory: what is counted
 * happened within the rule's seconds, and nothing is forgotten before 15/16 of them. Zeroed: none yet. */
#define FAULT_SLOTS 16U

struct fault_window {
        uint64_t slot_usec; /* length of a slot, of the rule it was counted for */
        uint64_t newest;    /* number of the newest slot */
        uint32_t counts[FAULT_SLOTS];
};

/* Counts a fault at a time (usec of any clock that does not run backwards). Returns how many there were
 * lately. */
uint32_t fault_window_add(struct fault_window *w, const struct fault_rule *rule, uint64_t usec);

/* True if that is what the rule calls too many. */
bool fault_rule_hit(const struct fault_rule *rule, uint32_t count);
