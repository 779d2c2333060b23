/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* All that decisions rest on. Borrowed, and not changed while one is made. */

#include "policy/derived-mac.h"
#include "policy/policy.h"

struct world {
        const struct policy *policy;
        const struct inventory *inventory;
        const struct lease *const *leases; /* in the order they began */
        size_t n_leases;
        const struct lease *const *promises; /* reservations: hand_off AUTO, VFs that nobody else may have */
        size_t n_promises;
        uint8_t host_id[HOST_ID_SIZE]; /* another on every host */
};
