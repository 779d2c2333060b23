/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The isolation verdict: what stands against a lease, and in which order. */

#include "common/macro.h"
#include "iommu/verdict.h"
#include "test.h"

#include <linux/pci_regs.h>
#include <string.h>

#define ALL_ACS (PCI_ACS_SV | PCI_ACS_RR | PCI_ACS_CR | PCI_ACS_UF)

static const struct address vf_at = { 0, 1, 0x10, 0 }, pf_at = { 0, 1, 0, 0 }, port_at = { 0, 0, 2, 0 };

/* A VF below a root port with everything right, and a change of each fact. */
struct subject {
        struct vf vf;
        struct pf pf;
        struct iommu_host host;
};

static struct path_hop hop(struct address a, enum hop_kind kind, unsigned flags) {
        return (struct path_hop){ .address = a,
                                  .kind = (uint8_t) kind,
                                  .flags = (uint16_t) (HOP_READABLE | flags) };
}

static void good(struct subject *s) {
        memset(s, 0, sizeof(*s));
        s->pf.address = pf_at;
        s->pf.path[0] = hop(pf_at, HOP_ENDPOINT, 0);
        s->pf.path[1] = hop(port_at, HOP_ROOT_PORT, HOP_ACS);
        s->pf.path[1].acs_cap = s->pf.path[1].acs_control = ALL_ACS;
        s->pf.n_path = 2;
        s->vf = (struct vf){ .address = vf_at,
                             .pf = &s->pf,
                             .group = 11,
                             .group_devices = 1,
                             .group_type = "DMA-FQ",
                             .resettable = true,
                             .direct_region = TRI_NO,
                             .msi_isolated = TRI_YES,
                             .hop = hop(vf_at, HOP_ENDPOINT, 0) };
}

static void no_group(struct subject *s) {
        s->vf.group = GROUP_NONE;
}
static void unknown_group(struct subject *s) {
        s->vf.group = GROUP_UNREADABLE;
}
static void noiommu(struct subject *s) {
        s->vf.noiommu = true;
}
static void shared(struct subject *s) {
        s->vf.group_devices = 3;
}
static void empty_group(struct subject *s) {
        s->vf.group_devices = 0;
}
static void identity(struct subject *s) {
        strcpy(s->vf.group_type, "identity");
}
static void strange_type(struct subject *s) {
        strcpy(s->vf.group_type, "auto");
}
static void no_type(struct subject *s) {
        s->vf.group_type[0] = '\0';
}
static void blocked_type(struct subject *s) {
        strcpy(s->vf.group_type, "blocked");
}
static void direct(struct subject *s) {
        s->vf.direct_region = TRI_YES;
}
static void regions(struct subject *s) {
        s->vf.direct_region = TRI_UNKNOWN;
}
static void unsafe(struct subject *s) {
        s->host.unsafe_interrupts = true;
}
static void override(struct subject *s) {
        s->host.acs_override = true;
}
static void noiommu_mode(struct subject *s) {
        s->host.noiommu_mode = true;
}
static void no_msi(struct subject *s) {
        s->vf.msi_isolated = TRI_NO;
}
static void untried_msi(struct subject *s) {
        s->vf.msi_isolated = TRI_UNKNOWN;
}
static void untriable_msi(struct subject *s) {
        unsafe(s);
        untried_msi(s);
}
static void no_reset(struct subject *s) {
        s->vf.resettable = false;
}
static void no_path(struct subject *s) {
        s->pf.n_path = 0;
}
static void vf_mute(struct subject *s) {
        s->vf.hop.flags = 0;
}
static void pf_mute(struct subject *s) {
        s->pf.path[0].flags = 0;
}
static void port_mute(struct subject *s) {
        s->pf.path[1].flags = 0;
}
static void port_quirk(struct subject *s) {
        s->pf.path[1].flags &= (uint16_t) ~HOP_ACS;
}
static void no_uf(struct subject *s) {
        s->pf.path[1].acs_control &= (uint8_t) ~PCI_ACS_UF;
}
static void acs_zero(struct subject *s) {
        s->pf.path[1].acs_control = 0;
}
static void direct_p2p(struct subject *s) {
        s->pf.path[1].acs_control |= PCI_ACS_DT;
}
static void vf_ats(struct subject *s) {
        s->vf.hop.flags |= HOP_ATS | HOP_ATS_ON;
}
static void vf_ats_off(struct subject *s) {
        s->vf.hop.flags |= HOP_ATS;
}
static void pf_pri(struct subject *s) {
        s->pf.path[0].flags |= HOP_PRI | HOP_PRI_ON;
}
static void pf_pasid(struct subject *s) {
        s->pf.path[0].flags |= HOP_PASID | HOP_PASID_ON;
}

/* drivers/pci/pci.c:pci_acs_flags_enabled: what a port cannot switch on it need not */
static void port_cannot_forward(struct subject *s) {
        s->pf.path[1].acs_cap = s->pf.path[1].acs_control = PCI_ACS_SV | PCI_ACS_RR | PCI_ACS_CR;
}

/* An endpoint's own ACS is about the functions of one device, which the IOMMU group shows */
static void pf_without_acs_on(struct subject *s) {
        s->pf.path[0].flags |= HOP_ACS;
        s->pf.path[0].acs_cap = ALL_ACS;
}

static void switch_above(struct subject *s) {
        s->pf.path[2] = s->pf.path[1];
        s->pf.path[1] = hop((struct address){ 0, 2, 0, 0 }, HOP_UPSTREAM, 0);
        s->pf.path[3] = s->pf.path[2];
        s->pf.path[2] = hop((struct address){ 0, 3, 1, 0 }, HOP_DOWNSTREAM, HOP_ACS);
        s->pf.path[2].acs_cap = ALL_ACS;
        s->pf.n_path = 4;
}

static void old_bridge(struct subject *s) {
        s->pf.path[1] = hop(port_at, HOP_BRIDGE, 0);
}

static void shared_no_acs(struct subject *s) {
        shared(s);
        port_quirk(s);
}

#define NOTHING _FINDING_MAX

static const struct {
        const char *name;
        void (*change)(struct subject *s);
        enum verdict verdict;
        enum finding_code obstacle; /* NOTHING: leasable */
        enum finding_code also;     /* NOTHING, or one that must be there too */
        const struct address *at;   /* what the obstacle, or else the other one, is about */
} cases[] = {
        { "no group", no_group, VERDICT_UNPROTECTED, FINDING_NO_IOMMU, NOTHING, &vf_at },
        { "unknown group", unknown_group, VERDICT_UNKNOWN, FINDING_GROUP_UNKNOWN, NOTHING, &vf_at },
        { "noiommu", noiommu, VERDICT_UNPROTECTED, FINDING_NOIOMMU_GROUP, NOTHING, &vf_at },
        { "shared", shared, VERDICT_SHARED, FINDING_SHARED_GROUP, NOTHING, &vf_at },
        { "empty group", empty_group, VERDICT_SHARED, FINDING_SHARED_GROUP, NOTHING, &vf_at },
        { "shared, no ACS", shared_no_acs, VERDICT_SHARED, FINDING_SHARED_GROUP, FINDING_NO_ACS, NULL },
        { "identity", identity, VERDICT_UNPROTECTED, FINDING_IDENTITY_DOMAIN, NOTHING, &vf_at },
        { "strange type", strange_type, VERDICT_UNKNOWN, FINDING_UNKNOWN_DOMAIN, NOTHING, &vf_at },
        { "no type", no_type, VERDICT_UNKNOWN, FINDING_UNKNOWN_DOMAIN, NOTHING, &vf_at },
        { "blocked", blocked_type, VERDICT_ISOLATED, NOTHING, NOTHING, NULL },
        { "direct", direct, VERDICT_UNPROTECTED, FINDING_DIRECT_REGION, NOTHING, &vf_at },
        { "regions", regions, VERDICT_UNKNOWN, FINDING_REGIONS_UNKNOWN, NOTHING, &vf_at },
        { "unsafe", unsafe, VERDICT_UNPROTECTED, FINDING_UNSAFE_INTERRUPTS, NOTHING, &vf_at },
        { "override", override, VERDICT_UNKNOWN, FINDING_ACS_OVERRIDE, NOTHING, &vf_at },
        { "noiommu mode", noiommu_mode, VERDICT_ISOLATED, NOTHING, FINDING_NOIOMMU_MODE, &vf_at },
        { "no MSI", no_msi, VERDICT_UNPROTECTED, FINDING_NO_MSI_ISOLATION, NOTHING, &vf_at },
        { "untried MSI", untried_msi, VERDICT_UNKNOWN, FINDING_MSI_UNKNOWN, NOTHING, &vf_at },
        { "untriable MSI", untriable_msi, VERDICT_UNPROTECTED, FINDING_UNSAFE_INTERRUPTS, NOTHING, &vf_at },
        { "no reset", no_reset, VERDICT_UNPROTECTED, FINDING_NO_RESET, NOTHING, &vf_at },
        { "no path", no_path, VERDICT_UNKNOWN, FINDING_PATH_UNKNOWN, NOTHING, &vf_at },
        { "VF mute", vf_mute, VERDICT_UNKNOWN, FINDING_PATH_UNKNOWN, NOTHING, &vf_at },
        { "PF mute", pf_mute, VERDICT_UNKNOWN, FINDING_PATH_UNKNOWN, NOTHING, &pf_at },
        { "port mute", port_mute, VERDICT_UNKNOWN, FINDING_PATH_UNKNOWN, NOTHING, &port_at },
        { "quirk", port_quirk, VERDICT_ISOLATED, NOTHING, FINDING_ACS_BY_QUIRK, &port_at },
        { "no UF", no_uf, VERDICT_UNPROTECTED, FINDING_ACS_OFF, NOTHING, &port_at },
        { "ACS off", acs_zero, VERDICT_UNPROTECTED, FINDING_ACS_OFF, NOTHING, &port_at },
        { "cannot forward", port_cannot_forward, VERDICT_ISOLATED, NOTHING, NOTHING, NULL },
        { "PF's own ACS", pf_without_acs_on, VERDICT_ISOLATED, NOTHING, NOTHING, NULL },
        { "switch", switch_above, VERDICT_UNPROTECTED, FINDING_ACS_OFF, NOTHING,
          &(const struct address){ 0, 3, 1, 0 } },
        { "old bridge", old_bridge, VERDICT_ISOLATED, NOTHING, FINDING_ACS_BY_QUIRK, &port_at },
        { "direct translated", direct_p2p, VERDICT_ISOLATED, NOTHING, FINDING_DIRECT_TRANSLATED, &port_at },
        { "ATS", vf_ats, VERDICT_ISOLATED, NOTHING, FINDING_ATS, &vf_at },
        { "ATS off", vf_ats_off, VERDICT_ISOLATED, NOTHING, NOTHING, NULL },
        { "PRI", pf_pri, VERDICT_ISOLATED, NOTHING, FINDING_PRI, &pf_at },
        { "PASID", pf_pasid, VERDICT_ISOLATED, NOTHING, FINDING_PASID, &pf_at },
};

static const struct finding *find(const struct judgement *j, enum finding_code code) {
        FOREACH_ARRAY(f, j->findings, j->n)
                if (f->code == code)
                        return f;
        return NULL;
}

static void test_each_fact(void **state) {
        struct judgement j;
        struct subject s;

        good(&s);
        judge(&s.vf, &s.host, &j);
        assert_int_equal(j.verdict, VERDICT_ISOLATED);
        assert_int_equal(j.n, 0);
        FOREACH_ARRAY(c, cases, ARRAY_SIZE(cases)) {
                good(&s);
                c->change(&s);
                judge(&s.vf, &s.host, &j);
                const struct finding *f = judgement_obstacle(&j, 0), *also = NULL;
                if (j.verdict != c->verdict || (f ? f->code : NOTHING) != c->obstacle)
                        fail_msg("%s: %s, %s", c->name, verdict_to_string(j.verdict),
                                 f ? finding_name(f->code) : "-");
                if (c->also != NOTHING && !(also = find(&j, c->also)))
                        fail_msg("%s: no %s", c->name, finding_name(c->also));
                if (c->obstacle == NOTHING && c->also == NOTHING && j.n != 0)
                        fail_msg("%s: found %s", c->name, finding_name(j.findings[0].code));
                if (c->at && !address_equal((f ? f : also)->at, *c->at))
                        fail_msg("%s: at %s", c->name, ADDRESS_STR((f ? f : also)->at));
        }
}

/* Whatever is wrong besides: more findings never make a lease possible, and the order is that of importance.
 */
static void test_all_pairs(void **state) {
        FOREACH_ARRAY(a, cases, ARRAY_SIZE(cases))
                FOREACH_ARRAY(b, cases, ARRAY_SIZE(cases)) {
                        struct judgement j;
                        struct subject s;

                        good(&s);
                        a->change(&s);
                        b->change(&s);
                        judge(&s.vf, &s.host, &j);
                        for (size_t i = 1; i < j.n; i++)
                                assert_true(j.findings[i - 1].code <= j.findings[i].code);
                        /* what a port without the capability, or without the bit, has switched off is no
                         * matter */
                        if (b->obstacle != NOTHING && b->obstacle != FINDING_ACS_OFF)
                                assert_true(j.verdict != VERDICT_ISOLATED && judgement_obstacle(&j, 0));
                        assert_true((j.verdict == VERDICT_ISOLATED) == !judgement_obstacle(&j, 0));
                }
}

static void test_accepted(void **state) {
        struct judgement j;
        struct subject s;

        good(&s);
        shared(&s);
        unsafe(&s);
        judge(&s.vf, &s.host, &j);
        assert_int_equal(judgement_obstacle(&j, 0)->code, FINDING_SHARED_GROUP);
        finding_set set = FINDING_BIT(FINDING_SHARED_GROUP);
        assert_int_equal(judgement_obstacle(&j, set)->code, FINDING_UNSAFE_INTERRUPTS);
        set |= FINDING_BIT(FINDING_UNSAFE_INTERRUPTS) | FINDING_BIT(FINDING_ACS_OFF);
        assert_null(judgement_obstacle(&j, set));
        assert_int_equal(judgement_excused(&j, set), set & ~FINDING_BIT(FINDING_ACS_OFF));
        assert_int_equal(j.verdict, VERDICT_SHARED); /* accepted is not isolated */
        s.vf.msi_isolated =
                        TRI_UNKNOWN; /* which is what the switch makes of it, and so is accepted with it */
        judge(&s.vf, &s.host, &j);
        assert_null(judgement_obstacle(&j, set));
        s.host.unsafe_interrupts = false;
        judge(&s.vf, &s.host, &j);
        assert_int_equal(judgement_obstacle(&j, set)->code, FINDING_MSI_UNKNOWN);
}

static void test_longest_path(void **state) {
        struct judgement j;
        struct subject s;

        good(&s);
        for (unsigned i = 0; i < ARRAY_SIZE(s.pf.path); i++) {
                s.pf.path[i] = hop(port_at, HOP_DOWNSTREAM, HOP_ACS | HOP_ATS_ON | HOP_PRI_ON | HOP_PASID_ON);
                s.pf.path[i].acs_cap = 0xff;
                s.pf.path[i].acs_control = PCI_ACS_DT;
        }
        s.pf.n_path = ARRAY_SIZE(s.pf.path);
        judge(&s.vf, &s.host, &j);
        assert_int_equal(j.n, 5 * ARRAY_SIZE(s.pf.path));
        assert_int_equal(judgement_obstacle(&j, 0)->code, FINDING_ACS_OFF);
}

static void test_names(void **state) {
        for (unsigned i = 0; i < _FINDING_MAX; i++) {
                enum finding_code c = (enum finding_code) i;

                assert_int_equal(finding_from_name(finding_name(c)), c);
                assert_true(strlen(finding_sentence(c)) > 0 && strlen(finding_hint(c)) > 0);
                if (finding_severity(c) == SEVERITY_UNSAFE)
                        assert_true(finding_verdict(c) != VERDICT_ISOLATED &&
                                    finding_reason(c) != REASON_NONE);
                else
                        assert_true(finding_verdict(c) == VERDICT_ISOLATED &&
                                    finding_reason(c) == REASON_NONE && !finding_acceptable(c));
        }
        assert_int_equal(finding_from_name("shared"), _FINDING_MAX);
        assert_int_equal(finding_from_name(""), _FINDING_MAX);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_each_fact), cmocka_unit_test(test_all_pairs),
                cmocka_unit_test(test_accepted),  cmocka_unit_test(test_longest_path),
                cmocka_unit_test(test_names),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
