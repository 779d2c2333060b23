/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* NVMe controllers, as the daemon tells them, for people. */

#include "common/json.h"

/* All of it, below a PF. 0 or an exit code after a message. */
int print_controller(json_t *controller);
/* What is of one VF. */
int print_secondary(json_t *controller, const char *vf);
