/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The fake tree that the simulated worker acts on, made by simhost.py. What the kernel would do to /sys and
 * /dev is done here with files, directories and links; an exclusive VFIO open is a flock(2), because that
 * follows the open file description through dup() and SCM_RIGHTS just as a VFIO open does.
 *
 * sim/kernel/ holds what kind of kernel it is, one file a trait: no_iommu, no_group, cdev, no_msi_isolation,
 * noiommu, default_domain. sim/pf/<address>/ holds what a PF is like: group_base, shared_group, driver_max,
 * vf_driver, enable_usec, and vf/, whose files every new VF gets. */

#include "common/address.h"
#include "common/reason.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct sim {
        int root; /* directory fd of the tree */
        pid_t daemon;
};

/* What an operation came to: 0 or negative errno, a reason, a word about it. */
struct outcome {
        int error;
        enum reason reason;
        const char *detail;
};
#define OK               ((struct outcome){ 0 })
#define FAIL(e, r, d)    ((struct outcome){ -(e), REASON_##r, d })
#define FAIL_ERRNO(e, d) ((struct outcome){ -(e), REASON_NONE, d })

/* A path from a format; valid until 32 more were made. */
const char *pathf(const char *format, ...) __attribute__((format(printf, 1, 2)));

int tree_read(const struct sim *s, const char *path, char *buf, size_t size); /* one line; 0 or -errno */
uint64_t tree_number(const struct sim *s, const char *path, uint64_t otherwise);
int tree_write(const struct sim *s, const char *path, const char *text, mode_t mode); /* creates it */
bool tree_exists(const struct sim *s, const char *path);
bool tree_trait(const struct sim *s, const char *name); /* sim/kernel/<name> */

bool tree_is_pf(const struct sim *s, struct address a);
bool tree_is_vf(const struct sim *s, struct address a, struct address *ret_pf);
const char *tree_driver(const struct sim *s, struct address a); /* "" if unbound; valid like pathf() */
int tree_group(const struct sim *s, struct address a);          /* -1 if none */
const char *tree_node(const struct sim *s, struct address a);   /* the file that stands for its VFIO node */

/* The lock that the kernel would hold meanwhile. Returns an fd; closing it unlocks. */
int tree_lock_pf(const struct sim *s, struct address pf);

struct outcome tree_numvfs(const struct sim *s, struct address pf, unsigned want);
struct outcome tree_bind(const struct sim *s, struct address vf, const char *driver, unsigned msix,
                         bool silently_fail);
struct outcome tree_unbind(const struct sim *s, struct address vf);
struct outcome tree_group_type(const struct sim *s, struct address vf, const char *type);

/* Processes that hold the VFIO node of a VF, the daemon, its workers and its fd store left out. Returns how
 * many. */
size_t tree_holders(const struct sim *s, const struct address *vfs, size_t n_vfs, uint64_t *pids, size_t max);
