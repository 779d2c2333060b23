/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Single VFs of the fake tree: their directories, links and nodes. */

#include "simtree.h"

#define DEVICE               "sys/bus/pci/devices/%s"
#define CDEV_OF_GROUP(group) ((group) + 5000) /* unlike the group, so that mixing them up shows */

/* Where a PF's VFs are, read once for many of them. */
struct vf_places {
        struct address pf;
        uint64_t offset, stride;
};
struct vf_places vf_places(const struct sim *s, struct address pf);
struct address vf_place(const struct vf_places *p, unsigned index);
struct address vf_address(const struct sim *s, struct address pf, unsigned index);
unsigned vf_index(const struct sim *s, struct address pf, struct address vf);

/* Makes the directory with everything in it. 0 or -errno. */
int vf_add(const struct sim *s, struct address pf, struct address vf, unsigned index);
void vf_remove(const struct sim *s, struct address pf, struct address vf, unsigned index);
