/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Which of the VFs that are promised to VMs are still to be given. Pure. */

#include "common/model.h"

/* Nobody holds it now. What its VM has is counted with the VM's lease, the rest as if it were leased. O(log
 * n).
 */
bool promise_is_open(const struct inventory *inventory, const struct leased_vf *v);
