/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What sysfs says about PFs, their VFs and whole functions. Reading only, no privilege, and nothing that can
 * block: sriov_numvfs and driver_override are never read. A hung unbind holds the device lock for as long as
 * it hangs, and the first waits for it on every kernel (drivers/pci/iov.c:sriov_numvfs_show), the second on
 * all until the driver core took it over, Debian 12's among them
 * (drivers/pci/pci-sysfs.c:driver_override_show). The VF count is the number of virtfnN links; struct
 * vf.override is left empty, and sriov/bind.h reads it where waiting does no harm. So does sriov/identity.h
 * with what takes a lock: sriov_vf_total_msix the device's (drivers/pci/iov.c:sriov_vf_total_msix_show),
 * net/<if>/speed the one of all network interfaces (net/core/net-sysfs.c:speed_show).
 *
 * State fields are left zero (pool: -1). Devices may vanish at any time: such are left out, never an error.
 */

#include "common/model.h"

/* All PFs, sorted by address, with their VFs by index. The caller's: inventory_done(). 0, -ENOMEM, or -errno
 * if the list of PCI devices cannot be read. */
int inventory_scan(int root_fd, struct inventory *ret);

/* One PF with its VFs. The caller's: pf_free(). -ENODEV if it is gone or no PF. */
int inventory_scan_pf(int root_fd, struct address a, struct pf **ret);

/* Re-reads the facts of the VF at vf->address; index and pf stay. -ENODEV if it is gone or belongs to another
 * PF than vf->pf, or if that is a whole function and it is none any more. */
int inventory_scan_vf(int root_fd, struct vf *vf);

/* One whole function: a struct pf with whole set and itself as its one "VF". The caller's: pf_free(). -ENODEV
 * if it is gone, a VF, a PF that has VFs, a bridge or an IOMMU. Whether the host needs it is for
 * sriov/function.h. */
int inventory_scan_function(int root_fd, struct address a, struct pf **ret);

/* Adds every whole function that is not in inv and that wanted() says yes to, judging by its own facts; it
 * has no "VF" yet. After an error inv is valid, but may lack some. */
int inventory_scan_functions(int root_fd, bool (*wanted)(const struct pf *pf, void *userdata), void *userdata,
                             struct inventory *inv);
