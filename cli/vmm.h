/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What vfctl knows about VMMs: how to name VFs on their command lines, and how much memory their guests get.
 * Pure: no file is opened, nothing is started. */

#include "common/limits.h"
#include "common/model.h"

enum vmm_kind {
        VMM_OTHER, /* gets placeholders replaced, nothing more */
        VMM_QEMU,
        VMM_CLOUD_HYPERVISOR,
        _VMM_KIND_MAX,
};

/* A VF as it was handed over. */
struct vmm_device {
        const char *address;
        int group;        /* -1 if none */
        int device_fd;    /* -1 with the node hand-off */
        int iommufd_fd;   /* -1 with the node hand-off */
        const char *node; /* NULL with the fd hand-off */
};

/* By the last component of the path: qemu-system-*, qemu-kvm, kvm; cloud-hypervisor*. */
enum vmm_kind vmm_kind_of(const char *path);

/* Which hand-off to ask for, so that the command line below can be built for count VFs: narrows *hand_off if
 * it is AUTO. 0; or -EINVAL with a sentence in problem (size bytes). argv[0] is the VMM; n arguments. */
int vmm_choose_hand_off(char *const *argv, size_t n, unsigned count, enum hand_off *hand_off, char *problem,
                        size_t size);

/* Guest memory in bytes by the VMM's arguments; 0 if they do not tell. -EINVAL with *bad the text that makes
 * no sense. */
int vmm_memory(char *const *argv, size_t n, uint64_t *ret, const char **bad);

/* The arguments to execute: argv with its placeholders replaced, or, if it has none, with those that the VMM
 * needs for the devices. *ret is NULL-terminated, vmm_free_arguments() frees it. -EINVAL if a placeholder
 * asks for what the devices do not have; -ENOMEM.
 *
 * Placeholders: {address} {group} {node} {device_fd} {iommufd_fd}, each for the first VF, or {address:1} for
 * the second … */
int vmm_arguments(char *const *argv, size_t n, const struct vmm_device *devices, size_t n_devices,
                  char ***ret);
void vmm_free_arguments(char **argv);

/* QEMU's argument for a VF by its node: "vfio-pci,id=vfctl-vf0,host=0000:01:10.0". buf holds
 * VMM_QEMU_HOST_MAX bytes. */
#define VMM_QEMU_HOST_MAX 96
const char *vmm_qemu_host(const struct vmm_device *d, size_t index, char buf[VMM_QEMU_HOST_MAX]);
