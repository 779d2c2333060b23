/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* A small fake root for unit tests: PFs, VFs and IOMMU groups as sysfs shows them, in a temporary directory.
 * Paths are relative to that root. Everything aborts the test (fail_msg) if it cannot be made. */

#include "common/address.h"

#include <stdbool.h>
#include <stddef.h>

struct faketree {
        char dir[64];
        int fd; /* the root fd to give to the code under test */
};

/* What faketree_pf() makes; zero fields get the default in the comment. */
struct fake_pf {
        const char *address;            /* required, e.g. "0000:01:00.0"; its parent bridge is made up */
        const char *driver;             /* "igb"; "" for none */
        const char *netdev;             /* none */
        unsigned total;                 /* 7 */
        unsigned offset;                /* 128 */
        unsigned stride;                /* 2 */
        bool managed;                   /* sriov_drivers_autoprobe is 0 */
        unsigned vendor, device, class; /* 0x8086, 0x10c9, 0x020000 */
};

struct fake_vf {
        const char *pf; /* required */
        unsigned index;
        const char *driver; /* NULL or "": unbound */
        int group;          /* 0: none; else its IOMMU group */
        const char *type;   /* "DMA" */
        const char *reset;  /* "flr"; "" leaves the file away */
        bool cdev;          /* has vfio-dev/vfio<group> with a number */
};

void faketree_init(struct faketree *t);
void faketree_done(struct faketree *t); /* removes it */

void faketree_mkdir(struct faketree *t, const char *path); /* with its parents */
void faketree_write(struct faketree *t, const char *path, const char *text);
void faketree_write_bytes(struct faketree *t, const char *path, const void *data, size_t size);
void faketree_link(struct faketree *t, const char *target, const char *path);
void faketree_remove(struct faketree *t, const char *path); /* file, link or whole directory */
void faketree_read(struct faketree *t, const char *path, char *buf, size_t size);

void faketree_pf(struct faketree *t, const struct fake_pf *pf);
/* Returns the VF's address: routing id of the PF + offset + stride * index. */
struct address faketree_vf(struct faketree *t, const struct fake_vf *vf);
/* A function that is neither PF nor VF, with a class such as 0x010802; driver "" for none. */
void faketree_function(struct faketree *t, const char *address, unsigned class, const char *driver);
/* What tells what the host uses: classes, mounts, swap, routes; nothing of it uses a function yet. */
void faketree_host(struct faketree *t);
/* Another member of a group. */
void faketree_group_member(struct faketree *t, int group, const char *address);
/* "sys/bus/pci/devices/<address>/<name>"; valid until 8 more were made. */
const char *fake_device(const char *address, const char *name);
