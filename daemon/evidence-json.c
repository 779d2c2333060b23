/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Evidence to JSON. */

#include "daemon/evidence-json.h"
#include "common/macro.h"
#include "common/root.h"
#include "iommu/group.h"

#include <linux/pci_regs.h>
#include <string.h>

static json_t *address_json(struct address a) {
        return json_string(ADDRESS_STR(a));
}

static json_t *acs_json(uint8_t bits) {
        static const struct {
                uint8_t bit;
                const char *name;
        } names[] = {
                { PCI_ACS_SV, "source-validation" },   { PCI_ACS_TB, "translation-blocking" },
                { PCI_ACS_RR, "request-redirect" },    { PCI_ACS_CR, "completion-redirect" },
                { PCI_ACS_UF, "upstream-forwarding" }, { PCI_ACS_EC, "egress-control" },
                { PCI_ACS_DT, "direct-translated" },
        };
        json_t *a = json_array();

        FOREACH_ARRAY(i, names, ARRAY_SIZE(names))
                if (bits & i->bit)
                        json_array_append_new(a, json_string(i->name));
        return a;
}

/* "on", "off", or null if the function does not have it */
static json_t *service_json(const struct path_hop *h, unsigned has, unsigned on) {
        return !(h->flags & has) ? json_null() : json_string(h->flags & on ? "on" : "off");
}

static json_t *sriov_json(const struct path_hop *h) {
        if (!(h->flags & HOP_SRIOV))
                return json_null();
        return json_pack("{s:b,s:i,s:b}", "enabled", (h->flags & HOP_SRIOV_ON) != 0, "num_vfs",
                         (int) h->num_vfs, "ari", (h->flags & HOP_SRIOV_ARI) != 0);
}

static json_t *hop_json(const struct path_hop *h) {
        bool acs = h->flags & HOP_ACS;

        return json_pack("{s:o,s:s,s:b,s:o,s:o,s:o,s:o,s:o,s:o}", "address", address_json(h->address), "kind",
                         hop_kind_to_string((enum hop_kind) h->kind), "readable",
                         (h->flags & HOP_READABLE) != 0, "acs_capable",
                         acs ? acs_json(h->acs_cap) : json_null(), "acs_enabled",
                         acs ? acs_json(h->acs_control) : json_null(), "ats",
                         service_json(h, HOP_ATS, HOP_ATS_ON), "pri", service_json(h, HOP_PRI, HOP_PRI_ON),
                         "pasid", service_json(h, HOP_PASID, HOP_PASID_ON), "sriov", sriov_json(h));
}

static json_t *findings_json(const struct judgement *j, finding_set accepted) {
        json_t *a = json_array();

        FOREACH_ARRAY(f, j->findings, j->n) {
                enum severity s = finding_severity(f->code);

                json_array_append_new(a,
                                      json_pack("{s:s,s:s,s:o,s:s,s:s,s:b}", "finding", finding_name(f->code),
                                                "severity", severity_to_string(s), "at", address_json(f->at),
                                                "message", finding_sentence(f->code), "hint",
                                                finding_hint(f->code), "accepted",
                                                s == SEVERITY_UNSAFE && (accepted & FINDING_BIT(f->code))));
        }
        return a;
}

static json_t *path_json(const struct vf *vf) {
        json_t *a = json_array();

        for (size_t i = vf->pf->n_path; i > 0; i--) /* the root port first, as a tree is drawn */
                json_array_append_new(a, hop_json(&vf->pf->path[i - 1]));
        json_array_append_new(a, hop_json(&vf->hop));
        return a;
}

static void add_member(struct address a, void *userdata) {
        json_array_append_new(userdata, address_json(a));
}

/* A file of sysfs as it is now, in parts; null if it cannot be read. */
static json_t *parts_json(int root_fd, const char *path, const char *between) {
        _cleanup_free_ char *text = NULL;
        char *rest = NULL;

        if (root_read_all(root_fd, path, 65536, &text, NULL) < 0)
                return json_null();
        json_t *parts = json_array();
        for (char *p = strtok_r(text, between, &rest); p; p = strtok_r(NULL, between, &rest))
                json_array_append_new(parts, json_text_value(p));
        return parts;
}

static json_t *regions_json(int root_fd, const struct vf *vf) {
        char path[64];

        snprintf(path, sizeof(path), "sys/kernel/iommu_groups/%d/reserved_regions", vf->group);
        return parts_json(root_fd, path, "\n");
}

static json_t *reset_methods_json(int root_fd, const struct vf *vf) {
        char path[64];

        snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/reset_method", ADDRESS_STR(vf->address));
        return parts_json(root_fd, path, " \n");
}

static json_t *tristate_json(enum tristate t) {
        return t == TRI_UNKNOWN ? json_null() : json_boolean(t == TRI_YES);
}

json_t *evidence_json(struct managed_vf *v) {
        const struct iommu_host *h = &v->manager->host;
        const struct vf *vf = &v->vf;
        int root_fd = v->manager->root_fd;
        finding_set accepted = vf_accepted(v);
        json_t *members = json_array();
        struct judgement j;

        vf_judge(v, &j);
        if (vf->group >= 0)
                group_members(root_fd, vf->group, add_member, members);
        return json_pack("{s:o,s:s,s:b,s:o,s:o,s:i,s:s,s:o,s:b,s:o,s:o,s:o,s:b,s:o,s:b,s:o,s:o,s:b,s:b}",
                         "address", address_json(vf->address), "verdict", verdict_to_string(j.verdict),
                         "leasable", judgement_obstacle(&j, accepted) == NULL, "findings",
                         findings_json(&j, accepted), "path", path_json(vf), "group", vf->group, "group_type",
                         vf->group_type, "group_members", members, "noiommu_group", vf->noiommu,
                         "direct_region", tristate_json(vf->direct_region), "reserved_regions",
                         regions_json(root_fd, vf), "msi_isolated", tristate_json(vf->msi_isolated),
                         "resettable", vf->resettable, "reset_methods", reset_methods_json(root_fd, vf),
                         "unsafe_interrupts", h->unsafe_interrupts, "type1_unsafe_interrupts",
                         json_string_or_null(h->type1_interrupts), "iommufd_unsafe_interrupts",
                         json_string_or_null(h->iommufd_interrupts), "acs_override", h->acs_override,
                         "noiommu_mode", h->noiommu_mode);
}

json_t *excused_json(finding_set set) {
        json_t *a = json_array();

        for (unsigned i = 0; i < _FINDING_MAX; i++)
                if (set & FINDING_BIT(i))
                        json_array_append_new(a, json_string(finding_name((enum finding_code) i)));
        return a;
}
