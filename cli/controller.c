/* SPDX-License-Identifier: GPL-2.0-or-later */
/* NVMe controllers: resources, health, the controllers of VFs, disks. */

#include "cli/controller.h"
#include "cli/records.h"
#include "cli/table.h"
#include "cli/verb.h"
#include "common/text.h"

#include <string.h>

static void print_size(const char *what, int64_t bytes) {
        printf("%s%s", SIZE_STR(MAX(bytes, (int64_t) 0)), what);
}

static int print_resources(json_t *controller, const char *key, const char *label) {
        struct resources_record r = { 0 };
        json_t *v;

        if (record_object(controller, key, &v) < 0 || record_resources(v, &r) < 0)
                return EXIT_FAILED;
        if (r.flexible > 0)
                printf("  %-10s %lld for VFs: %lld given, %lld the host's, %lld at most for one\n", label,
                       (long long) r.flexible, (long long) r.assigned, (long long) r.primary,
                       (long long) r.most);
        return 0;
}

static int print_health(json_t *controller, const struct controller_record *c) {
        _cleanup_free_ char *warnings = NULL;
        json_t *list;

        if (record_array(controller, "warnings", &list) < 0 ||
            record_strings(list, "warnings", ", ", &warnings) < 0)
                return EXIT_FAILED;
        if (!c->health_known) {
                printf("  health:    %sunknown%s, the controller does not say\n", colour_on(COLOUR_BUSY),
                       colour_off(COLOUR_BUSY));
                return 0;
        }
        bool bad = warnings[0] != '\0';
        printf("  health:    %s", colour_on(bad ? COLOUR_BAD : COLOUR_GOOD));
        print_text("%s%s", bad ? "warning: " : "good", warnings);
        printf("%s, spare %lld %%, used %lld %%, %lld media errors",
               colour_off(bad ? COLOUR_BAD : COLOUR_GOOD), (long long) c->spare, (long long) c->used,
               (long long) c->media_errors);
        if (c->celsius)
                printf(", temperature %lld C", (long long) json_integer_value(c->celsius));
        printf("\n");
        return 0;
}

static int add_secondary(struct table *t, json_t *v) {
        struct secondary_record s = { 0 };
        int r = record_secondary(v, &s);

        if (r < 0)
                return r;
        table_addf(t, "%lld", (long long) s.controller);
        table_add(t, s.vf);
        table_addf(t, "%lld", (long long) s.queues);
        table_addf(t, "%lld", (long long) s.interrupts);
        table_add_colour(t, s.online ? COLOUR_GOOD : COLOUR_BUSY, s.online ? "online" : "offline");
        return 0;
}

/* "4,7"; "host" for the primary. */
static char *owners(json_t *list, int64_t primary) {
        char *text = NULL;
        json_t *e;
        size_t i;

        json_array_foreach(list, i, e) {
                int r = json_integer_value(e) == primary ? text_append(&text, "%shost", i > 0 ? "," : "")
                                                         : text_append(&text, "%s%lld", i > 0 ? "," : "",
                                                                       (long long) json_integer_value(e));
                if (r < 0)
                        out_of_memory();
        }
        return text;
}

static int add_namespace(struct table *t, json_t *v, int64_t primary) {
        struct namespace_record n = { 0 };
        int r = record_namespace(v, &n);

        if (r < 0)
                return r;
        _cleanup_free_ char *who = owners(n.controllers, primary);
        table_addf(t, "%lld", (long long) n.nsid);
        table_add(t, SIZE_STR(MAX(n.size, (int64_t) 0)));
        table_addf(t, "%lld", (long long) n.block_size);
        table_add(t, who);
        table_add(t, n.vf);
        table_add(t, n.tenant);
        table_add(t, n.vm);
        table_add(t, n.erase);
        return 0;
}

static int print_secondaries(json_t *controller) {
        static const char *const headers[] = { ">CONTROLLER", "VF", ">QUEUES", ">INTERRUPTS", "STATE" };
        _cleanup_table_ struct table *t = table_new(headers, ARRAY_SIZE(headers));
        json_t *list, *e;
        size_t i;

        if (record_array(controller, "secondaries", &list) < 0)
                return EXIT_FAILED;
        json_array_foreach(list, i, e)
                if (add_secondary(t, e) < 0)
                        return EXIT_FAILED;
        if (json_array_size(list) > 0) {
                printf("\n");
                table_print(t, true, "");
        }
        return 0;
}

static int print_namespaces(json_t *controller, int64_t primary) {
        static const char *const headers[] = { ">NAMESPACE", ">SIZE",  ">BLOCK", "CONTROLLERS",
                                               "VF",         "TENANT", "VM",     "ERASE" };
        _cleanup_table_ struct table *t = table_new(headers, ARRAY_SIZE(headers));
        json_t *list, *e;
        size_t i;

        if (record_array(controller, "namespaces", &list) < 0)
                return EXIT_FAILED;
        json_array_foreach(list, i, e)
                if (add_namespace(t, e, primary) < 0)
                        return EXIT_FAILED;
        printf("\n");
        table_print(t, true, "No namespaces.");
        return 0;
}

int print_controller(json_t *controller) {
        struct controller_record c = { 0 };
        int r;

        if (record_controller(controller, &c) < 0)
                return EXIT_FAILED;
        print_text("  NVMe:      controller %lld, %s, serial %s, firmware %s\n", (long long) c.controller,
                   c.model, c.serial, c.firmware);
        if ((r = print_health(controller, &c)) != 0 ||
            (r = print_resources(controller, "queues", "queues:")) != 0 ||
            (r = print_resources(controller, "interrupts", "IRQs:")) != 0)
                return r;
        if (c.capacity > 0) {
                printf("  capacity:  ");
                print_size(", ", c.capacity);
                print_size(" in no namespace\n", c.available);
        }
        r = print_secondaries(controller);
        return r != 0 ? r : print_namespaces(controller, c.controller);
}

int print_secondary(json_t *controller, const char *vf) {
        json_t *list, *e;
        size_t i;

        if (record_array(controller, "secondaries", &list) < 0)
                return EXIT_FAILED;
        json_array_foreach(list, i, e) {
                struct secondary_record s = { 0 };

                if (record_secondary(e, &s) < 0)
                        return EXIT_FAILED;
                if (s.vf && strcmp(s.vf, vf) == 0)
                        print_text("  NVMe:      controller %lld, %s, %lld queues, %lld interrupts\n",
                                   (long long) s.controller, s.online ? "online" : "offline",
                                   (long long) s.queues, (long long) s.interrupts);
        }
        return 0;
}
