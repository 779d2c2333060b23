/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Taking a VF out of use. An idle one is quarantined at once. One that somebody has is condemned: cut off
 * from memory at once and again and again, its owner asked to release it, and quarantined when its lease is
 * over. Both are written down first, and last until an administrator clears them. */

#include "daemon/vf.h"

/* -EINVAL for a VF that is not managed. */
int vf_condemn(struct managed_vf *v, enum reason reason, const char *detail);

/* An administrator gives it another chance; -EINVAL if it is not quarantined and not condemned. */
int vf_clear(struct managed_vf *v, const char *why);

/* First sight of a VF, leased or not: true if it is written down as quarantined. */
bool vf_restore_quarantine(struct managed_vf *v);

/* For an idle VF that was condemned: enters the quarantine; true then. */
bool vf_meets_its_end(struct managed_vf *v);

/* Bus Master off, again; for a leased and condemned VF that still tries. */
void vf_cut_off(struct managed_vf *v);

/* An operation on a leased VF did not return: it is condemned, if it is not yet. */
void vf_hangs_leased(struct managed_vf *v);

void quarantine_stop(struct manager *m);
