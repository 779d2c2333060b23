/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The isolation verdict. */

#include "iommu/verdict.h"

#include <linux/pci_regs.h>
#include <stdio.h>
#include <string.h>

/* What pci_device_group() asks of every bridge: drivers/iommu/iommu.c, REQ_ACS_FLAGS */
#define ACS_NEEDED (PCI_ACS_SV | PCI_ACS_RR | PCI_ACS_CR | PCI_ACS_UF)

static void found(struct judgement *j, enum finding_code code, struct address at) {
        if (j->n < JUDGEMENT_MAX)
                j->findings[j->n++] = (struct finding){ code, at };
}

/* Default domains in which a function that nobody owns reaches nothing: an empty page table, or none at all.
 */
static bool translates(const char *type) {
        return strcmp(type, "DMA") == 0 || strcmp(type, "DMA-FQ") == 0 || strcmp(type, "blocked") == 0;
}

static void judge_group(struct judgement *j, const struct vf *vf) {
        if (vf->group < 0) {
                found(j, vf->group == GROUP_NONE ? FINDING_NO_IOMMU : FINDING_GROUP_UNKNOWN, vf->address);
                return;
        }
        if (vf->noiommu)
                found(j, FINDING_NOIOMMU_GROUP, vf->address);
        if (vf->group_devices != 1)
                found(j, FINDING_SHARED_GROUP, vf->address);
        if (strcmp(vf->group_type, "identity") == 0)
                found(j, FINDING_IDENTITY_DOMAIN, vf->address);
        else if (!translates(vf->group_type))
                found(j, FINDING_UNKNOWN_DOMAIN, vf->address);
        if (vf->direct_region == TRI_YES)
                found(j, FINDING_DIRECT_REGION, vf->address);
        else if (vf->direct_region == TRI_UNKNOWN)
                found(j, FINDING_REGIONS_UNKNOWN, vf->address);
}

/* Functions below a port can reach each other there; an upstream port of a switch has the downstream ports
 * for that. A bit that a port cannot have is one it does not need: drivers/pci/pci.c:pci_acs_flags_enabled.
 * Where the capability is missing the group tells whether the kernel knows better
 * (drivers/pci/quirks.c:pci_dev_acs_enabled). */
static void judge_port(struct judgement *j, const struct vf *vf, const struct path_hop *h) {
        unsigned needed = ACS_NEEDED & h->acs_cap;

        if (h->kind == HOP_UPSTREAM || h->kind == HOP_ENDPOINT)
                return;
        if (!(h->flags & HOP_ACS))
                found(j, vf->group_devices == 1 ? FINDING_ACS_BY_QUIRK : FINDING_NO_ACS, h->address);
        else if ((h->acs_control & needed) != needed)
                found(j, FINDING_ACS_OFF, h->address);
        if (h->acs_control & PCI_ACS_DT)
                found(j, FINDING_DIRECT_TRANSLATED, h->address);
}

static void judge_services(struct judgement *j, const struct path_hop *h) {
        if (h->flags & HOP_ATS_ON)
                found(j, FINDING_ATS, h->address);
        if (h->flags & HOP_PRI_ON)
                found(j, FINDING_PRI, h->address);
        if (h->flags & HOP_PASID_ON)
                found(j, FINDING_PASID, h->address);
}

static void judge_path(struct judgement *j, const struct vf *vf) {
        const struct pf *pf = vf->pf;

        if (!(vf->hop.flags & HOP_READABLE) || !pf || pf->n_path == 0)
                found(j, FINDING_PATH_UNKNOWN, vf->address);
        judge_services(j, &vf->hop);
        for (size_t i = 0; pf && i < pf->n_path; i++) {
                const struct path_hop *h = &pf->path[i];

                if (!(h->flags & HOP_READABLE)) {
                        found(j, FINDING_PATH_UNKNOWN, h->address);
                        continue;
                }
                judge_port(j, vf, h);
                judge_services(j, h);
        }
}

static void judge_host(struct judgement *j, const struct vf *vf, const struct iommu_host *host) {
        if (host->acs_override)
                found(j, FINDING_ACS_OVERRIDE, vf->address);
        if (host->unsafe_interrupts)
                found(j, FINDING_UNSAFE_INTERRUPTS, vf->address);
        if (vf->msi_isolated == TRI_NO)
                found(j, FINDING_NO_MSI_ISOLATION, vf->address);
        else if (vf->msi_isolated == TRI_UNKNOWN && !host->unsafe_interrupts) /* no fence could tell now */
                found(j, FINDING_MSI_UNKNOWN, vf->address);
        if (host->noiommu_mode)
                found(j, FINDING_NOIOMMU_MODE, vf->address);
}

/* By code, which is the order of importance; few and nearly sorted. */
static void sort(struct judgement *j) {
        for (size_t i = 1; i < j->n; i++)
                for (size_t k = i; k > 0 && j->findings[k].code < j->findings[k - 1].code; k--) {
                        struct finding f = j->findings[k];

                        j->findings[k] = j->findings[k - 1];
                        j->findings[k - 1] = f;
                }
}

void judge(const struct vf *vf, const struct iommu_host *host, struct judgement *ret) {
        ret->n = 0;
        judge_group(ret, vf);
        judge_host(ret, vf, host);
        judge_path(ret, vf);
        if (!vf->resettable)
                found(ret, FINDING_NO_RESET, vf->address);
        sort(ret);
        const struct finding *worst = judgement_obstacle(ret, 0);
        ret->verdict = worst ? finding_verdict(worst->code) : VERDICT_ISOLATED;
}

const struct finding *judgement_obstacle(const struct judgement *j, finding_set accepted) {
        for (size_t i = 0; i < j->n; i++) {
                enum finding_code c = j->findings[i].code;

                if (finding_severity(c) == SEVERITY_UNSAFE && !(accepted & FINDING_BIT(c)))
                        return &j->findings[i];
        }
        return NULL;
}

finding_set judgement_excused(const struct judgement *j, finding_set accepted) {
        finding_set set = 0;

        for (size_t i = 0; i < j->n; i++)
                if (finding_severity(j->findings[i].code) == SEVERITY_UNSAFE)
                        set |= FINDING_BIT(j->findings[i].code);
        return set & accepted;
}

const char *finding_format(const struct finding *f, char buf[FINDING_STR_MAX]) {
        snprintf(buf, FINDING_STR_MAX, "%s at %s", finding_name(f->code), ADDRESS_STR(f->at));
        return buf;
}
