/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What some functions keep over a reset though the next owner must not find it. A table: match, registers,
 * source. */

#include "common/model.h"

/* Writes zero to what this kind of function may keep, through its open VFIO device, and reads it back.
 * Nothing for kinds that keep nothing. 0; -EIO if something stayed; -errno. *step says what failed, a static
 * text. */
int leftover_clear(int root_fd, const struct vf *vf, int device_fd, const char **step);
