/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The one list of reasons why a rule said no, or why a VF is not where it should be.
 *
 * Negative errno: the machine failed, travels up, is logged once. Positive reason: a rule said no and the
 * direct caller answers it. Names are stable, they appear in JSON, on the command line and in vfctl(1). */

/* code, stable name, sentence for a person, what to do next */
#define REASONS(X)                                                                                           \
        X(NO_SUCH_TENANT, "no-such-tenant", "the policy knows no such tenant", "see 'vfctl list tenants'")   \
        X(NOT_YOUR_TENANT, "not-your-tenant", "you may not act for this tenant",                             \
          "an administrator can add your user to it in the policy")                                          \
        X(NO_SUCH_POOL, "no-such-pool", "this tenant has no such pool", "see 'vfctl list pools'")            \
        X(NO_SUCH_LEASE, "no-such-lease", "there is no such lease", "see 'vfctl list leases'")               \
        X(NO_SUCH_DEVICE, "no-such-device", "no managed PF or VF has this address", "see 'vfctl list vfs'")  \
        X(QUOTA, "quota", "the tenant's quota for this pool is used up",                                     \
          "release a lease, or ask the administrator for a larger quota")                                    \
        X(POOL_EMPTY, "pool-empty", "no VF of this pool is ready",                                           \
          "see 'vfctl list vfs' for what holds them")                                                        \
        X(MEMLOCK, "memlock", "the tenant's locked memory per VM is too small for this VM",                  \
          "give the VM less memory, or raise \"memlock\" of the tenant in the policy")                       \
        X(NO_FD_HANDOFF, "no-fd-handoff", "this kernel cannot hand a VF over as a file descriptor",          \
          "use the node hand-off, or a kernel with iommufd and VFIO device nodes")                           \
        X(NO_NODE_HANDOFF, "no-node-handoff", "this kernel has no VFIO group nodes", "use the fd hand-off")  \
        X(OWNER_GONE, "owner-gone", "the process that should own the lease has ended", "start it again")     \
        X(NOT_YOUR_PROCESS, "not-your-process", "the named process does not belong to you",                  \
          "name a process of your own user")                                                                 \
        X(POLICY_INVALID, "policy-invalid", "the policy is not valid, so nothing is leased",                 \
          "see 'vfctl status', mend the file, then run 'systemctl reload vfctld'")                           \
        X(NOT_ISOLATED, "not-isolated", "the isolation of the VF cannot be shown",                           \
          "see 'vfctl show ADDRESS'")                                                                        \
        X(SHARED_GROUP, "shared-group", "the VF shares its IOMMU group with other functions",                \
          "enable ACS on the ports above it, or move the card to another slot")                              \
        X(NO_IOMMU, "no-iommu", "no IOMMU translates the DMA of this VF",                                    \
          "enable VT-d or AMD-Vi in the firmware and the kernel (intel_iommu=on)")                           \
        X(IDENTITY_DOMAIN, "identity-domain", "the default domain of the group is pass-through",             \
          "boot without iommu=pt, or see the journal for why it could not be switched")                      \
        X(NOIOMMU_GROUP, "noiommu-group", "the group is a vfio-noiommu group, which isolates nothing",       \
          "load vfio without enable_unsafe_noiommu_mode")                                                    \
        X(NO_MSI_ISOLATION, "no-msi-isolation",                                                              \
          "interrupts of the VF are not isolated (no interrupt remapping)",                                  \
          "enable interrupt remapping in the firmware and the kernel")                                       \
        X(UNSAFE_INTERRUPTS, "unsafe-interrupts",                                                            \
          "allow_unsafe_interrupts is set, so isolation is not shown",                                       \
          "set vfio_iommu_type1 and iommufd allow_unsafe_interrupts to N")                                   \
        X(NO_RESET, "no-reset", "the VF has no function level reset",                                        \
          "such a VF cannot be scrubbed; use another")                                                       \
        X(RESET_FAILED, "reset-failed", "the VF could not be reset",                                         \
          "check the device, then 'vfctl clear ADDRESS'")                                                    \
        X(FENCE_FAILED, "fence-failed", "the VF could not be fenced",                                        \
          "see the journal, then 'vfctl clear ADDRESS'")                                                     \
        X(PROBE_FAILED, "probe-failed", "the VFIO driver did not bind to the VF",                            \
          "see the kernel log, then 'vfctl clear ADDRESS'")                                                  \
        X(HANDOFF_FAILED, "handoff-failed", "the VF could not be handed over", "see the journal")            \
        X(HELD, "held", "another process still holds the VF",                                                \
          "end the process that 'vfctl show ADDRESS' names")                                                 \
        X(FEWER_VFS, "fewer-vfs", "the driver enabled fewer VFs than asked", "ask for fewer in the policy")  \
        X(NUMVFS_BUSY, "numvfs-busy", "the PF has VFs already; their number can only change by way of zero", \
          "see 'vfctl plan'")                                                                                \
        X(NUMVFS_NO_ROOM, "numvfs-no-room", "there are not enough bus numbers or MMIO space for the VFs",    \
          "ask for fewer VFs, or boot with pci=realloc,assign-busses")                                       \
        X(NUMVFS_NO_DRIVER, "numvfs-no-driver", "the PF has no driver that can enable VFs",                  \
          "load the PF's driver")                                                                            \
        X(NUMVFS_RANGE, "numvfs-range", "the PF supports fewer VFs than asked",                              \
          "ask for fewer in the policy")                                                                     \
        X(NUMVFS_FAILED, "numvfs-failed", "the kernel refused to change the number of VFs",                  \
          "see the kernel log")                                                                              \
        X(LEASED, "leased", "VFs of this PF are leased, so it must not change", "release them first")        \
        X(STUCK, "stuck", "a kernel operation on this PF does not return",                                   \
          "see the kernel log; a reboot may be needed")                                                      \
        X(NO_WORKER, "no-worker", "no worker can be reached, or it ended in the middle",                     \
          "see 'systemctl status vfctld-worker.socket' and the journal; it is tried again")                  \
        X(NOT_MANAGED, "not-managed", "no pool of the policy claims this PF", "add it to a pool")            \
        X(HOST_DRIVER, "host-driver", "a host driver owns the VF", "unbind it, or leave the VF to the host") \
        X(ADMIN, "admin", "an administrator took the VF out of use", "see 'vfctl clear'")                    \
        X(DMA_FAULTS, "dma-faults", "the IOMMU stopped DMA of the VF too often",                             \
          "look at the VM that had it, then 'vfctl clear ADDRESS'")                                          \
        X(GONE, "gone", "the VF is gone", "plug the device in again")                                        \
        X(STORE_FAILED, "store-failed", "the lease could not be written down", "free space under /run")      \
        X(BAD_NAME, "bad-name", "the name is empty, too long or has characters that are not allowed",        \
          "use letters, digits, '.', '_' and '-'")                                                           \
        X(LIMIT, "limit", "a limit of the control socket was reached", "wait and ask again")

enum reason {
        REASON_NONE = 0,
#define X(code, name, text, hint) REASON_##code,
        REASONS(X)
#undef X
                        _REASON_MAX,
};

const char *reason_name(enum reason r);         /* "quota"; "none" for 0 */
const char *reason_sentence(enum reason r);     /* one sentence, no full stop */
const char *reason_hint(enum reason r);         /* what to do next */
enum reason reason_from_name(const char *name); /* REASON_NONE if unknown */
