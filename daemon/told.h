/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What the drivers of PFs are told of VFs, gathered: whatever is wanted of one PF while its last change set
 * is under way becomes the next, one message to the kernel for all of it. */

#include "daemon/vf.h"

/* Puts a change of one VF into the next set of its PF. `done` is called once, from the loop, as if a worker
 * had been asked about this VF alone: error, reason and detail are the VF's, the attributes read back are in
 * reply->data. The VF is busy meanwhile. 0 or -ENOMEM (then the VF is not busy). */
int told_submit(struct managed_vf *v, const struct vf_change *change, worker_done done, void *userdata);

/* The attributes that the driver reports, of a reply to told_submit(). */
struct vf_attributes told_attributes(const struct worker_reply *reply);

/* False: its change set failed as a whole, before or after the drivers were told. That says nothing of this
 * VF. */
bool told_tried(const struct worker_reply *reply);

/* A PF that came: what is under way for one that had its address is its own. */
void told_adopt(struct managed_pf *p);

/* A step of a PF is over: what waited for that is told. */
void told_go_on(struct manager *m);

void told_stop(struct manager *m); /* after the worker link: nobody answers any more */
