/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What the isolation verdict may find (iommu/verdict.h), design.md section 4. Names are stable: they appear
 * in JSON, on the command line, in vfctl(1), and in the policy's "accept". */

#include "common/reason.h"

#include <stdbool.h>
#include <stdint.h>

/* code, stable name, severity, verdict it leads to, reason of a VF that waits for it, may a pool accept it?,
 * sentence, what to do. The most fundamental first: the first UNSAFE one gives the verdict. */
#define FINDINGS(X)                                                                                          \
        X(NO_IOMMU, "no-iommu", UNSAFE, UNPROTECTED, NO_IOMMU, false,                                        \
          "no IOMMU translates the DMA of the function",                                                     \
          "enable VT-d or AMD-Vi in the firmware and the kernel (intel_iommu=on)")                           \
        X(GROUP_UNKNOWN, "group-unknown", UNSAFE, UNKNOWN, NOT_ISOLATED, false,                              \
          "the IOMMU group of the function cannot be read",                                                  \
          "see the kernel log for the device; it is tried again")                                            \
        X(NOIOMMU_GROUP, "noiommu-group", UNSAFE, UNPROTECTED, NOIOMMU_GROUP, false,                         \
          "the group is a vfio-noiommu group, which isolates nothing",                                       \
          "load vfio without enable_unsafe_noiommu_mode")                                                    \
        X(SHARED_GROUP, "shared-group", UNSAFE, SHARED, SHARED_GROUP, true,                                  \
          "the function shares its IOMMU group with others",                                                 \
          "enable ACS on the ports above it, or move the card to another slot")                              \
        X(NO_ACS, "no-acs", UNSAFE, SHARED, SHARED_GROUP, true,                                              \
          "the bridge has no ACS, so functions below it may reach each other past the IOMMU",                \
          "move the card to a slot whose ports have ACS")                                                    \
        X(ACS_OFF, "acs-off", UNSAFE, UNPROTECTED, NOT_ISOLATED, true,                                       \
          "the bridge has ACS, but not all of source validation, request and completion redirect and "       \
          "upstream forwarding is on",                                                                       \
          "look for pci=disable_acs_redir or pci=config_acs on the kernel command line, or a setpci")        \
        X(ACS_OVERRIDE, "acs-override", UNSAFE, UNKNOWN, NOT_ISOLATED, true,                                 \
          "pcie_acs_override on the kernel command line makes groups look smaller than they are",            \
          "boot without pcie_acs_override")                                                                  \
        X(IDENTITY_DOMAIN, "identity-domain", UNSAFE, UNPROTECTED, IDENTITY_DOMAIN, false,                   \
          "the default domain of the group is pass-through",                                                 \
          "boot without iommu=pt, or see the journal for why it could not be switched")                      \
        X(UNKNOWN_DOMAIN, "unknown-domain", UNSAFE, UNKNOWN, NOT_ISOLATED, false,                            \
          "the kernel does not say whether the default domain of the group translates",                      \
          "report it: this kernel names a domain type that is not known here")                               \
        X(UNSAFE_INTERRUPTS, "unsafe-interrupts", UNSAFE, UNPROTECTED, UNSAFE_INTERRUPTS, true,              \
          "allow_unsafe_interrupts is set, so isolation of interrupts is not shown",                         \
          "set vfio_iommu_type1 and iommufd allow_unsafe_interrupts to N")                                   \
        X(NO_MSI_ISOLATION, "no-msi-isolation", UNSAFE, UNPROTECTED, NO_MSI_ISOLATION, false,                \
          "interrupts of the function are not isolated (no interrupt remapping)",                            \
          "enable interrupt remapping in the firmware and the kernel")                                       \
        X(MSI_UNKNOWN, "msi-unknown", UNSAFE, UNKNOWN, NOT_ISOLATED, false,                                  \
          "no fence taken with allow_unsafe_interrupts off has shown that interrupts are isolated",          \
          "an idle VF is fenced again to see it, a leased one when its lease is over")                       \
        X(DIRECT_REGION, "direct-region", UNSAFE, UNPROTECTED, NOT_ISOLATED, false,                          \
          "the platform wants memory of the host mapped for the function (a reserved region \"direct\")",    \
          "see reserved_regions of its IOMMU group; the firmware asks for it (RMRR)")                        \
        X(REGIONS_UNKNOWN, "regions-unknown", UNSAFE, UNKNOWN, NOT_ISOLATED, false,                          \
          "the reserved regions of the group cannot be read", "see the journal; it is tried again")          \
        X(PATH_UNKNOWN, "path-unknown", UNSAFE, UNKNOWN, NOT_ISOLATED, false,                                \
          "the configuration space of a function on the way to the root complex cannot be read",             \
          "see the kernel log for the device; it is tried again")                                            \
        X(NO_RESET, "no-reset", UNSAFE, UNPROTECTED, NO_RESET, false,                                        \
          "the function has no reset of its own", "such a VF cannot be scrubbed; use another")               \
        X(ACS_BY_QUIRK, "acs-by-quirk", WARNING, ISOLATED, NONE, false,                                      \
          "the bridge has no ACS, but the kernel knows that it isolates",                                    \
          "nothing; the kernel's list of such bridges is in drivers/pci/quirks.c")                           \
        X(DIRECT_TRANSLATED, "direct-translated-p2p", WARNING, ISOLATED, NONE, false,                        \
          "the bridge lets translated requests go from device to device past the IOMMU",                     \
          "matters if a device below it is not trusted and uses ATS; boot with pci=noats to be sure")        \
        X(NOIOMMU_MODE, "noiommu-mode", WARNING, ISOLATED, NONE, false,                                      \
          "vfio is loaded with enable_unsafe_noiommu_mode",                                                  \
          "set it to N: it is of no use here and dangerous elsewhere")                                       \
        X(ATS, "ats", INFO, ISOLATED, NONE, false,                                                           \
          "the function uses address translation services: the IOMMU does not check requests that it "       \
          "declares translated",                                                                             \
          "boot with pci=noats if the device's firmware is not trusted")                                     \
        X(PRI, "pri", INFO, ISOLATED, NONE, false, "the function may ask for pages (PRI)", "nothing")        \
        X(PASID, "pasid", INFO, ISOLATED, NONE, false, "the function uses process address spaces (PASID)",   \
          "nothing")

enum severity {
        SEVERITY_INFO,    /* worth knowing */
        SEVERITY_WARNING, /* isolated as far as the kernel knows; somebody should look */
        SEVERITY_UNSAFE,  /* not leased unless the pool accepts it */
        _SEVERITY_MAX,
};

enum verdict {
        VERDICT_ISOLATED,
        VERDICT_SHARED,      /* with other functions */
        VERDICT_UNPROTECTED, /* known to be open */
        VERDICT_UNKNOWN,     /* cannot be shown, so it counts as open */
        _VERDICT_MAX,
};

enum finding_code {
#define X(code, name, severity, verdict, reason, acceptable, text, hint) FINDING_##code,
        FINDINGS(X)
#undef X
                        _FINDING_MAX,
};

/* A set of findings, as a pool accepts them. */
typedef uint32_t finding_set;
#define FINDING_BIT(code) ((finding_set) 1 << (code))

const char *finding_name(enum finding_code c);
const char *finding_sentence(enum finding_code c);
const char *finding_hint(enum finding_code c);
enum severity finding_severity(enum finding_code c);
enum verdict finding_verdict(enum finding_code c);
enum reason finding_reason(enum finding_code c); /* REASON_NONE if it stops nothing */
bool finding_acceptable(enum finding_code c);
enum finding_code finding_from_name(const char *name); /* _FINDING_MAX if unknown */
const char *severity_to_string(enum severity s);
const char *verdict_to_string(enum verdict v);
