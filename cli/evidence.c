/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Evidence for people. */

#include "cli/evidence.h"
#include "cli/options.h"
#include "cli/records.h"
#include "cli/table.h"

#include <stdio.h>
#include <string.h>

/* The short names that the PCIe specification and lspci use. */
static const char *short_name(const char *bit) {
        static const char *const names[][2] = {
                { "source-validation", "SV" },   { "translation-blocking", "TB" },
                { "request-redirect", "RR" },    { "completion-redirect", "CR" },
                { "upstream-forwarding", "UF" }, { "egress-control", "EC" },
                { "direct-translated", "DT" },
        };

        FOREACH_ARRAY(n, names, ARRAY_SIZE(names))
                if (strcmp((*n)[0], bit) == 0)
                        return (*n)[1];
        return bit;
}

static bool has_bit(json_t *bits, const char *bit) {
        json_t *e;
        size_t i;

        json_array_foreach(bits, i, e)
                if (json_is_string(e) && strcmp(json_string_value(e), bit) == 0)
                        return true;
        return false;
}

/* "ACS SV+ RR+ CR- UF+": a '-' can be switched on and is off, as lspci writes it. */
static int print_acs(const struct hop_record *h) {
        const char *bit;
        json_t *e;
        size_t i;

        fputs("  ACS", stdout);
        json_array_foreach(h->acs_capable, i, e) {
                if (record_string(e, "acs_capable", &bit) < 0)
                        return EXIT_FAILED;
                print_text(" %s%s", short_name(bit), has_bit(h->acs_enabled, bit) ? "+" : "-");
        }
        return 0;
}

static void print_service(const char *name, const char *state) {
        if (state)
                print_text("  %s %s", name, state);
}

static int print_sriov(json_t *v) {
        struct sriov_record s = { 0 };

        if (record_sriov(v, &s) < 0)
                return EXIT_FAILED;
        if (s.enabled)
                printf("  SR-IOV %lld VFs%s", (long long) s.num_vfs, s.ari ? " ARI" : "");
        else
                printf("  SR-IOV off");
        return 0;
}

static int print_hop(json_t *v, size_t depth) {
        struct hop_record h = { 0 };
        int r;

        if (record_hop(v, &h) < 0)
                return EXIT_FAILED;
        printf("    %*s%s", (int) (depth > 0 ? 3 * (depth - 1) : 0), "", depth > 0 ? "`- " : "");
        print_text("%s  %s", h.address, h.readable ? h.kind : "not readable");
        if (h.acs_capable && h.acs_enabled && (r = print_acs(&h)) != 0)
                return r;
        print_service("ATS", h.ats);
        print_service("PRI", h.pri);
        print_service("PASID", h.pasid);
        if (h.sriov && (r = print_sriov(h.sriov)) != 0)
                return r;
        putchar('\n');
        return 0;
}

static int print_finding(json_t *v, size_t unused) {
        struct finding_record f = { 0 };

        if (record_finding(v, &f) < 0)
                return EXIT_FAILED;
        enum colour c = strcmp(f.severity, "unsafe") == 0 && !f.accepted ? COLOUR_BAD : COLOUR_NONE;
        printf("    %s", colour_on(c));
        print_text("%s%s", f.severity, f.accepted ? ", accepted by the policy" : "");
        printf("%s", colour_off(c));
        print_text(": %s at %s: %s\n", f.finding, f.at, f.message);
        print_text("      %s\n", f.hint);
        return 0;
}

static int print_each(json_t *array, int (*print)(json_t *v, size_t n)) {
        for (size_t i = 0; i < json_array_size(array); i++) {
                int r = print(json_array_get(array, i), i);

                if (r != 0)
                        return r;
        }
        return 0;
}

int print_evidence(json_t *evidence) {
        struct evidence_record e = { 0 };
        json_t *i;
        size_t n;
        int r;

        if (record_evidence(evidence, &e) < 0)
                return EXIT_FAILED;
        print_text("  verdict:   %s%s\n", e.verdict,
                   strcmp(e.verdict, "isolated") == 0 ? ""
                   : e.leasable                       ? ", leased all the same"
                                                      : ", not leased");
        if (json_array_size(e.group_members) > 1) {
                fputs("  in group:  ", stdout);
                json_array_foreach(e.group_members, n, i) {
                        print_text("%s%s", n > 0 ? " " : "", json_is_string(i) ? json_string_value(i) : "?");
                }
                putchar('\n');
        }
        printf("  path:\n");
        r = print_each(e.path, print_hop);
        if (r != 0)
                return r;
        if (json_array_size(e.findings) > 0)
                printf("  findings:\n");
        return print_each(e.findings, print_finding);
}
