/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The attributes that a VF had before anybody used it, and has again before anybody else does. */

#include "daemon/pf.h"

/* True if it has attributes, and they may be another's. */
bool baseline_is_due(const struct managed_vf *v);

/* Restores or, at first sight, records it; then vf_advance(). */
void baseline_step(struct managed_vf *v);

/* What it is to be told at hand-over: everything of the baseline that the lease does not say. */
struct vf_attributes baseline_with(const struct managed_vf *v, const struct vf_attributes *lease);
