/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* udev's events, as hints: what they name is read again. Lost events mean that everything is. */

#include "daemon/manager.h"

/* Opens the monitor. Without udev (a captured or simulated tree) there are none, and that is fine. */
int hotplug_start(struct manager *m);
void hotplug_stop(struct manager *m);
