/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which method may be called by whom, and org.varlink.service. */

#include "daemon/methods.h"
#include "config.h"

#include <string.h>

/* Made from io.vfctl.Manager.varlink by the build. */
extern const char interface_manager[];

static const char interface_service[] =
                "# The Varlink service interface of every Varlink service\n"
                "interface org.varlink.service\n\n"
                "method GetInfo() -> (vendor: string, product: string, version: string, url: string, interfaces: []string)\n"
                "method GetInterfaceDescription(interface: string) -> (description: string)\n\n"
                "error InterfaceNotFound (interface: string)\n"
                "error MethodNotFound (method: string)\n"
                "error MethodNotImplemented (method: string)\n"
                "error InvalidParameter (parameter: string)\n"
                "error PermissionDenied ()\n"
                "error ExpectedMore ()\n";

bool method_parameters(struct connection *c, json_t *parameters, const struct json_field *fields, size_t n) {
        const char *bad;

        if (json_dispatch(parameters, fields, n, &bad) >= 0)
                return true;
        connection_error(c, "org.varlink.service.InvalidParameter",
                         json_pack("{s:o}", "parameter", json_text_value(bad)));
        return false;
}

void method_invalid(struct connection *c, const char *parameter) {
        connection_error(c, "org.varlink.service.InvalidParameter",
                         json_pack("{s:o}", "parameter", json_text_value(parameter)));
}

bool method_may_see_lease(struct connection *c, const struct lease *l) {
        const struct tenant *t =
                        c->manager->policy ? policy_find_tenant(c->manager->policy, l->tenant) : NULL;

        return c->peer.admin || (t && peer_may_act_for(&c->peer, t));
}

static void method_get_info(struct connection *c, json_t *parameters) {
        if (method_parameters(c, parameters, NULL, 0))
                connection_reply(c, json_pack("{s:s,s:s,s:s,s:s,s:[s,s]}", "vendor", "vfctl", "product",
                                              "vfctld", "version", VERSION, "url", "", "interfaces",
                                              "org.varlink.service", "io.vfctl.Manager"));
}

static void method_get_interface_description(struct connection *c, json_t *parameters) {
        const char *name = NULL;
        const struct json_field fields[] = { { "interface", JSON_KIND_STRING, true, &name } };

        if (!method_parameters(c, parameters, fields, ARRAY_SIZE(fields)))
                return;
        if (strcmp(name, "org.varlink.service") == 0)
                connection_reply(c, json_pack("{s:s}", "description", interface_service));
        else if (strcmp(name, "io.vfctl.Manager") == 0)
                connection_reply(c, json_pack("{s:s}", "description", interface_manager));
        else
                connection_error(c, "org.varlink.service.InterfaceNotFound",
                                 json_pack("{s:o}", "interface", json_text_value(name)));
}

enum who {
        ANYONE,  /* the service interface */
        TENANTS, /* administrators and users of any tenant; the handler narrows it down */
        ADMINS,
};

static const struct {
        const char *name;
        void (*handler)(struct connection *c, json_t *parameters);
        enum who who;
        bool needs_more;
} methods[] = {
        { "org.varlink.service.GetInfo", method_get_info, ANYONE, false },
        { "org.varlink.service.GetInterfaceDescription", method_get_interface_description, ANYONE, false },
        { "io.vfctl.Manager.GetStatus", method_get_status, TENANTS, false },
        { "io.vfctl.Manager.ListPFs", method_list_pfs, ADMINS, false },
        { "io.vfctl.Manager.ListVFs", method_list_vfs, TENANTS, false },
        { "io.vfctl.Manager.GetEvidence", method_get_evidence, TENANTS, false },
        { "io.vfctl.Manager.GetController", method_get_controller, ADMINS, false },
        { "io.vfctl.Manager.GetStatistics", method_get_statistics, TENANTS, false },
        { "io.vfctl.Manager.ListLeases", method_list_leases, TENANTS, false },
        { "io.vfctl.Manager.ListPools", method_list_pools, TENANTS, false },
        { "io.vfctl.Manager.ListTenants", method_list_tenants, TENANTS, false },
        { "io.vfctl.Manager.Acquire", method_acquire, TENANTS, false },
        { "io.vfctl.Manager.Release", method_release, TENANTS, false },
        { "io.vfctl.Manager.Renew", method_renew, TENANTS, false },
        { "io.vfctl.Manager.Reserve", method_reserve, TENANTS, false },
        { "io.vfctl.Manager.Unreserve", method_unreserve, TENANTS, false },
        { "io.vfctl.Manager.ListReservations", method_list_reservations, TENANTS, false },
        { "io.vfctl.Manager.Explain", method_explain, TENANTS, false },
        { "io.vfctl.Manager.Plan", method_plan, ADMINS, false },
        { "io.vfctl.Manager.Apply", method_apply, ADMINS, false },
        { "io.vfctl.Manager.Monitor", method_monitor, TENANTS, true },
        { "io.vfctl.Manager.Rescan", method_rescan, ADMINS, false },
        { "io.vfctl.Manager.Reload", method_reload, ADMINS, false },
        { "io.vfctl.Manager.Quarantine", method_quarantine, ADMINS, false },
        { "io.vfctl.Manager.Clear", method_clear, ADMINS, false },
        { "io.vfctl.Manager.Drain", method_drain, ADMINS, false },
        { "io.vfctl.Manager.Undrain", method_undrain, ADMINS, false },
};

static bool permitted(const struct connection *c, enum who who) {
        return who == ANYONE || c->peer.admin ||
               (who == TENANTS && peer_is_tenant(&c->peer, c->manager->policy));
}

static void method_unknown(struct connection *c, const char *method) {
        const char *dot = strrchr(method, '.');
        size_t n = dot ? (size_t) (dot - method) : 0;
        char interface[128];

        snprintf(interface, sizeof(interface), "%.*s", (int) MIN(n, sizeof(interface) - 1), method);
        if (strcmp(interface, "org.varlink.service") == 0 || strcmp(interface, "io.vfctl.Manager") == 0)
                connection_error(c, "org.varlink.service.MethodNotFound",
                                 json_pack("{s:o}", "method", json_text_value(method)));
        else
                connection_error(c, "org.varlink.service.InterfaceNotFound",
                                 json_pack("{s:o}", "interface", json_text_value(interface)));
}

void methods_dispatch(struct connection *c, const char *method, json_t *parameters) {
        FOREACH_ARRAY(m, methods, ARRAY_SIZE(methods)) {
                if (strcmp(m->name, method) != 0)
                        continue;
                if (!permitted(c, m->who))
                        connection_error(c, "org.varlink.service.PermissionDenied", NULL);
                else if (m->needs_more && !c->more)
                        connection_error(c, "org.varlink.service.ExpectedMore", NULL);
                else
                        m->handler(c, parameters);
                return;
        }
        method_unknown(c, method);
}
