/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VFs of leases and reservations: what they are told, as text and as a table. */

#include "cli/device.h"
#include "cli/table.h"
#include "cli/verb.h"
#include "common/text.h"

#include <stdarg.h>

/* Appends to a list that is separated by commas. */
_printf_(2, 3) static void add(char **text, const char *format, ...) {
        _cleanup_free_ char *part = NULL;
        va_list ap;

        va_start(ap, format);
        if (vasprintf(&part, format, ap) < 0)
                out_of_memory();
        va_end(ap);
        if (text_append(text, "%s%s", *text ? ", " : "", part) < 0)
                out_of_memory();
}

static void add_flag(char **text, const char *name, enum tristate value) {
        if (value != TRI_UNKNOWN)
                add(text, "%s %s", name, value == TRI_YES ? "on" : "off");
}

static void add_vlan(char **text, const struct attributes_record *a) {
        if (a->vlan == 0)
                add(text, "untagged");
        if (a->vlan <= 0)
                return;
        add(text, "vlan %lld", (long long) a->vlan);
        if (a->vlan_qos > 0)
                add(text, "priority %lld", (long long) a->vlan_qos);
        if (a->vlan_protocol)
                add(text, "%s", a->vlan_protocol);
}

char *attributes_text(const struct attributes_record *a) {
        char *text = NULL;

        if (a->mac)
                add(&text, "mac %s", a->mac);
        add_vlan(&text, a);
        if (a->min_tx_mbps > 0)
                add(&text, "at least %lld Mbit/s", (long long) a->min_tx_mbps);
        if (a->max_tx_mbps > 0)
                add(&text, "at most %lld Mbit/s", (long long) a->max_tx_mbps);
        add_flag(&text, "spoof check", a->spoof_check);
        add_flag(&text, "trust", a->trust);
        if (a->link_state)
                add(&text, "link %s", a->link_state);
        add_flag(&text, "RSS query", a->rss_query);
        if (a->max_io_eqs > 0)
                add(&text, "at most %lld event queues", (long long) a->max_io_eqs);
        if (a->function_state)
                add(&text, "function %s", a->function_state);
        if (!text && text_append(&text, "%s", "") < 0)
                out_of_memory();
        return text;
}

int print_leased_vfs(json_t *devices, bool legend) {
        static const char *const headers[] = { "ADDRESS", "PF", "POOL", "ATTRIBUTES" };
        _cleanup_table_ struct table *t = table_new(headers, ARRAY_SIZE(headers));
        json_t *e;
        size_t i;

        json_array_foreach(devices, i, e) {
                struct leased_vf_record d = { 0 };

                if (record_leased_vf(e, &d) < 0)
                        return EXIT_FAILED;
                _cleanup_free_ char *attributes = attributes_text(&d.attributes);
                table_add(t, d.address);
                table_add(t, d.pf);
                table_add(t, d.pool);
                table_add(t, attributes);
        }
        table_print(t, legend, "No VFs.");
        return 0;
}
