/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Follows the kernel log for DMA that the IOMMU stopped, finds out whose it was, and does what the policy
 * says. */

#include "daemon/vf.h"

struct faults;

/* The log comes from systemd: from its fd store, where it stays while the daemon restarts, so that nothing is
 * missed, or as standard input. Without it the daemon works on, and says so. 0 or -ENOMEM. */
int faults_start(struct manager *m);
void faults_stop(struct manager *m);

/* How many messages that may have told of faults the log lacks, since this daemon started and as far as the
 * kernel says so; each stands for one fault or more. */
uint64_t faults_lost(const struct manager *m);
