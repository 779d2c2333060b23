/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* MAC addresses that follow from the host, the card and the number of the VF: the same after a reboot, and
 * after the card moved to another slot; another on every host. Pure. */

#include "common/model.h"

#define HOST_ID_SIZE 16

/* attempt: 0 first; the next ones give others, where an address is taken. Unicast and locally administered.
 */
uint64_t derived_mac(const uint8_t host_id[HOST_ID_SIZE], const struct vf *vf, uint32_t attempt);
