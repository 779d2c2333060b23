/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Policy files as the daemon reads them, for verbs that need no daemon. */

#include "policy/policy.h"

struct policy_files {
        struct policy_source items[POLICY_FILES_MAX];
        size_t n;
};

/* Files, or directories that stand for their policy.json and policy.d; the directory of the daemon if there
 * is no path. 0 or an exit code after a message; policy_files_done() either way. */
int policy_files_read(struct policy_files *f, char *const *paths, size_t n);
void policy_files_done(struct policy_files *f);
