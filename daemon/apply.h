/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* 'vfctl apply': the steps of a plan that need a word from an administrator, with progress. Steps that need
 * none are started by reconcile.c as soon as they are possible; apply reports those too if they are still
 * open. */

#include "daemon/server.h"

void apply_start(struct connection *c, bool destructive, bool later);

/* From pf-steps.c: a step ended; error NULL if it went well. */
void apply_step_ended(struct manager *m, struct address pf, enum step_kind kind, const char *error);

/* From reconcile.c: start what has become possible. */
void apply_continue(struct manager *m);

void apply_free(struct manager *m);
