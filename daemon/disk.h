/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The ledger of disks: which NVMe namespaces VFs were given, so that no data outlive their owner. A record is
 * written before the VF can reach the namespace and removed once its data are unreadable, whatever happens
 * between; it outlives daemon, host and VF, since data do. Under /var/lib/vfctld/disks. */

#include "common/model.h"
#include "policy/policy.h"

struct manager;
struct managed_pf;
struct managed_vf;

#define DISK_KEY_MAX 32

struct disk {
        struct disk *next;
        char key[DISK_KEY_MAX]; /* whose namespace it is, see disk_key() */
        struct address vf, pf;  /* as they were; a card may have moved since */
        char serial[21];
        uint32_t nsid;         /* 0: one is about to be made, of that size, see before */
        uint64_t size;         /* bytes */
        bool made;             /* for the lease: it is deleted at last */
        enum erase_rule erase; /* ERASE_NEVER: its tenant's for good, see kept */
        bool kept;             /* no lease has it; its data are still those of the tenant */
        char tenant[NAME_MAX_LEN + 1], vm[NAME_MAX_LEN + 1];
        uint32_t *before; /* nsid 0: the namespaces that there were */
        size_t n_before;
        char *unreadable; /* name of its file, of which only key and nsid are known: nobody gets it */
};

/* Namespaces belong to a card, wherever it is, and its ports have one serial number, as some cards have that
 * have nothing to do with each other: what has the same key is taken for one. Fit for a file name. A
 * controller without a serial number is told by its place. */
void disk_key(const char *serial, struct address pf, char key[DISK_KEY_MAX]);

/* Reads all records. 0 or -errno. */
int disks_load(struct manager *m);
void disks_free(struct manager *m);

/* A PF has said who it is: records that belong to no PF yet come to theirs, and there to their VFs. */
void disks_claim(struct manager *m);
/* The next record whose data this VF has to see to: its own, else one of a VF that the PF does not have any
 * more. It stays the first one until the VF is done with it. NULL: none. */
struct disk *disks_next(struct managed_vf *v);
/* The VF, or the PF, goes away; its records stay. */
void disks_release_vf(struct managed_vf *v);
void disks_release_pf(struct managed_pf *p);

/* Writes a record, then keeps it with the VF, as its first. 0 or -errno, and nothing is kept. -EEXIST: there
 * is one of this namespace. */
int disk_add(struct managed_vf *v, const struct disk *d, struct disk **ret);
/* The namespace that was about to be made has its number. The record stays one of "about to" if that cannot
 * be written. */
int disk_is_made(struct managed_vf *v, struct disk *d, uint32_t nsid);
/* Its data are unreadable; now the namespace itself is to go. */
int disk_is_erased(struct managed_vf *v, struct disk *d);
void disk_remove(struct managed_vf *v, struct disk *d);

/* The lease is over and the data stay: it is the PF's until one of these two. From now on it is the tenant's
 * to have again, and nobody's to delete. */
void disk_keep(struct managed_vf *v, struct disk *d);
/* The tenant gets it again as it is, or it is erased by a rule before anybody else does; it is the first of
 * the VF's then. 0 or -errno, and it stays kept. */
int disk_take_kept(struct managed_vf *v, struct disk *d, const char *vm, enum erase_rule erase);

/* The record of a namespace, whoever has it: until there is none, nobody else gets it. O(log n) */
struct disk *disk_of(const struct managed_pf *p, uint32_t nsid);
