/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Reads the policy files below a root and resolves the users and groups they name. */

#include "policy/policy.h"

/* /etc/vfctl/policy.json, then /etc/vfctl/policy.d (*.json) in name order. 0 and *ret; -EINVAL with errors
 * (also for a file that cannot be read); -ENOMEM. */
/* Which drivers that pools force the kernel has now. */
void policy_find_drivers(int root_fd, struct policy *p);

int policy_load(int root_fd, struct policy **ret, struct policy_errors *errors);
