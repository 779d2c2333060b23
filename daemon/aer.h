/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* PCIe errors of PFs, VFs and the bridges above them: the kernel's counters, a few functions a second in
 * turn, and its recovery events. */

#include "daemon/manager.h"

int aer_start(struct manager *m); /* 0 or -errno */
void aer_stop(struct manager *m);

/* A uevent with ERROR_EVENT: what recovery has come to. */
void aer_recovery(struct manager *m, struct address a, const char *what);
