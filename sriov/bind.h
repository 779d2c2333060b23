/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Which driver has a VF. Effects: for the worker only, root. Unbinding a VFIO driver waits for as long as
 * anybody has a descriptor of the VF (drivers/vfio/vfio_main.c:vfio_unregister_group_dev). Never new_id, and
 * the override stays while the VF is managed, so that no other driver can get it. Each call does nothing if
 * the VF is already as wanted. *step says in a few words what failed; a static text. */

#include "common/address.h"
#include "common/reason.h"

#include <stdbool.h>
#include <stddef.h>

/* vfio-pci, or a vendor's variant of it: ^[a-z0-9_]+_vfio_pci$, or with '-' for '_' as in xe-vfio-pci */
bool bind_is_vfio(const char *driver);

/* The override, "" if none. May wait for the device lock. */
int bind_read_override(int root_fd, struct address vf, char *buf, size_t size);

/* Sets the override, unbinds another driver if there is one, gives the VF as many MSI-X vectors as msix says
 * (0: it keeps what it has), probes. driver "": the best one, see variant.h. -errno; REASON_PROBE_FAILED if
 * the driver is not bound although the kernel reported success, or, with -EAGAIN, if the best one is not
 * loaded; REASON_MSIX if the VF has another number of vectors afterwards; then it has no driver. */
int bind_driver(int root_fd, struct address vf, const char *driver, unsigned msix, enum reason *reason,
                const char **step);

/* Leaves it without a driver; the override stays. */
int bind_unbind(int root_fd, struct address vf, const char **step);

/* Unbinds and binds again: every descriptor opened before is worthless afterwards. */
int bind_renew(int root_fd, struct address vf, const char *driver, enum reason *reason, const char **step);
