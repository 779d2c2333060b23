/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* VF attributes that somebody else changed: noticed, shown, and put right or only reported, as the pool says.
 */

#include "daemon/pf.h"

int drift_start(struct manager *m); /* 0 or -errno */
void drift_stop(struct manager *m); /* after the worker link: nobody answers any more */

/* Compares what the PF's driver has with what it was told; shortly, once for many calls. */
void drift_look_soon(struct managed_pf *p);
