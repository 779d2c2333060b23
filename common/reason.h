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
        X(TOTAL_QUOTA, "total-quota", "the tenant's quota for all pools together is used up",                \
          "release a lease, or ask the administrator for a larger quota")                                    \
        X(PF_SHARE, "pf-share", "the tenant has its share of these PFs already",                             \
          "release a lease, or ask the administrator for a larger \"pf_share\"")                             \
        X(NUMA, "numa", "no PF on the NUMA node of the VM has enough VFs, and the pool requires that",       \
          "run the VM on another node; 'vfctl list pfs' shows the nodes")                                    \
        X(ANTI_AFFINITY, "anti-affinity", "there are not enough PFs for VFs that must be on different ones", \
          "ask for fewer, or without anti-affinity")                                                         \
        X(AFFINITY, "affinity", "no single PF can give all VFs that must be on the same one",                \
          "ask for fewer, or without affinity")                                                              \
        X(RATE_SUM, "rate-sum", "no PF has so much bandwidth left to guarantee",                             \
          "ask for a lower minimum rate, or release a lease that has one")                                   \
        X(RATE, "rate", "the tenant may not choose this rate", "see 'vfctl policy explain'")                 \
        X(VLAN, "vlan", "the tenant may not choose this VLAN", "see 'vfctl policy explain'")                 \
        X(MAC, "mac", "the tenant may not choose this MAC", "see 'vfctl policy explain'")                    \
        X(MAC_IN_USE, "mac-in-use", "another VF has this MAC", "choose another, or none")                    \
        X(MACS_USED_UP, "macs-used-up", "every MAC of the tenant's ranges is in use",                        \
          "release a lease, or ask the administrator for more MACs")                                         \
        X(NO_ATTRIBUTES, "no-attributes", "VFs of this pool have no MAC, VLAN or rate",                      \
          "ask without them, or for another pool")                                                           \
        X(IN_LINE, "in-line", "earlier requests wait for VFs of this pool", "wait in line with --wait")      \
        X(WAITED, "waited", "nothing became free in the time to wait", "wait longer, or release a lease")    \
        X(OVER_POLICY, "over-policy", "the policy would not give this lease any more",                       \
          "see 'vfctl show LEASE' for the rule")                                                             \
        X(NO_EXPIRY, "no-expiry", "the lease lasts until it is released, there is nothing to renew",         \
          "nothing needs to be done")                                                                        \
        X(RESERVED, "reserved", "VFs of this PF are reserved for VMs",                                       \
          "'vfctl list reservations' shows them, 'vfctl unreserve' ends one")                                \
        X(RESERVATION_EXISTS, "reservation-exists", "this VM has a reservation already",                     \
          "end it with 'vfctl unreserve' first")                                                             \
        X(NO_SUCH_RESERVATION, "no-such-reservation", "this VM has no reservation",                          \
          "see 'vfctl list reservations'")                                                                   \
        X(ATTRIBUTES, "attributes-failed", "the MAC, VLAN or rates of the VF could not be set",              \
          "see the journal; if the VF is quarantined, then 'vfctl clear ADDRESS'")                           \
        X(ATTRIBUTE_UNSUPPORTED, "attribute-unsupported",                                                    \
          "the driver of the PF cannot set an attribute that the policy wants",                              \
          "take it out of the policy, or use PFs with another driver")                                       \
        X(ESWITCH, "eswitch",                                                                                \
          "the switch of the PF is not in the mode that the policy wants, and cannot be set",                \
          "take \"eswitch\" out of the policy, or use PFs with another driver; see the journal")             \
        X(NVME_RESOURCES, "nvme-resources",                                                                  \
          "the NVMe controller has too few queues or interrupts left for this VF",                           \
          "ask for fewer in the policy; 'vfctl show ADDRESS' of the PF says who has them")                   \
        X(NVME_FAILED, "nvme-failed", "the NVMe controller refused or failed a command for this VF",         \
          "see the journal for the status of the command, then 'vfctl clear ADDRESS'")                       \
        X(NAMESPACE, "namespace", "the VF could not be given its namespace, or freed from its last one",     \
          "see the journal and 'vfctl show ADDRESS' of the PF, then 'vfctl clear ADDRESS'")                  \
        X(NAMESPACES_USED_UP, "namespaces-used-up",                                                          \
          "no namespace, or no space for one, is left for this lease",                                       \
          "release a lease, or ask the administrator for more namespaces")                                   \
        X(ERASE_FAILED, "erase-failed", "the data of the last owner could not be made unreadable",           \
          "see the journal; erase the namespace by hand, then 'vfctl clear ADDRESS'")                        \
        X(NO_NAMESPACE, "no-namespace", "the NVMe controller has no such namespace",                         \
          "'vfctl show ADDRESS' of the PF lists those that there are")                                       \
        X(DISK_RECORD, "disk-record", "the record of who had a namespace cannot be read, so nobody gets it", \
          "erase the namespace by hand, remove the record, then restart vfctld")                             \
        X(HOST_DISK, "host-disk",                                                                            \
          "the host uses a disk of this PF, and the policy does not allow VFs of it",                        \
          "choose another PF, free its disks, or say \"host_disk\": \"allow\" in the policy")                \
        X(TWO_POOLS, "two-pools", "two pools of the policy name just this function, so neither has it",      \
          "take it out of one of them")                                                                      \
        X(IDENTIFYING, "identifying", "its serial number and MAC are not read yet", "wait a moment")         \
        X(HOST_NEEDS_IT, "host-needs-it", "the host itself uses this function",                              \
          "choose another function, or free this one from the host")                                         \
        X(POOL_EMPTY, "pool-empty", "too few VFs of this pool are ready",                                    \
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
        X(MSIX, "msix-failed", "the VF could not be given its number of MSI-X vectors",                      \
          "ask for fewer in the policy, or update the PF's driver; then 'vfctl clear ADDRESS'")              \
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
