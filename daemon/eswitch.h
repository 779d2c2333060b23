/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The switches between VFs: in which mode they are, and which interfaces of the host stand for VFs. Only a
 * worker can ask, so it is asked when a PF is seen first, after its VFs came or went, and after the kernel
 * said that a switch or an interface changed. */

#include "daemon/pf.h"

/* Asks now, unless that is under way; then once more after it. */
void eswitch_read_pf(struct managed_pf *p);
/* Shortly, with whatever else changes. */
void eswitch_look_soon(struct managed_pf *p);
/* An interface came, went or got another name: all that have such interfaces, shortly. */
void eswitch_interfaces_changed(struct manager *m);

int eswitch_start(struct manager *m); /* 0 or -errno */
void eswitch_stop(struct manager *m);
