/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads the daemon's replies. Each table below is one type of io.vfctl.Manager. */

#include "cli/records.h"
#include "cli/table.h"
#include "common/text.h"

#include <errno.h>
#include <string.h>

#define TEXT(field)                                                                                          \
        { #field, JSON_KIND_STRING, true, &ret->field }
#define OPTIONAL_TEXT(field)                                                                                 \
        { #field, JSON_KIND_STRING, false, &ret->field }
#define INT(field)                                                                                           \
        { #field, JSON_KIND_INT, true, &ret->field }
#define OPTIONAL_INT(field)                                                                                  \
        { #field, JSON_KIND_INT, false, &ret->field }
#define BOOL(field)                                                                                          \
        { #field, JSON_KIND_BOOL, true, &ret->field }
#define ARRAY(field)                                                                                         \
        { #field, JSON_KIND_ARRAY, true, &ret->field }
#define OBJECT(field)                                                                                        \
        { #field, JSON_KIND_OBJECT, true, &ret->field }

static int bad_reply(const char *what, const char *field) {
        print_error("vfctld sent a reply that vfctl cannot read (%s%s%s)", what, field ? ": " : "",
                    field ? field : "");
        print_hint("vfctl and vfctld should be of the same version");
        return -EPROTO;
}

/* Strict about the fields of the table, silent about others. */
static int read_fields(json_t *v, const char *what, const struct json_field *fields, size_t n) {
        _cleanup_json_ json_t *known = json_object();
        const char *bad = NULL;

        if (!json_is_object(v))
                return bad_reply(what, NULL);
        if (!known)
                out_of_memory();
        FOREACH_ARRAY(f, fields, n) {
                json_t *member = json_object_get(v, f->name);

                if (member && json_object_set(known, f->name, member) < 0)
                        out_of_memory();
        }
        return json_dispatch(known, fields, n, &bad) < 0 ? bad_reply(what, bad) : 0;
}

#define READ(what, ...)                                                                                      \
        const struct json_field fields[] = { __VA_ARGS__ };                                                  \
        return read_fields(v, what, fields, ARRAY_SIZE(fields))

int record_refusal(json_t *v, struct refusal_record *ret) {
        READ("Refused", TEXT(reason), TEXT(message), TEXT(hint));
}

int record_failure(json_t *v, struct failure_record *ret) {
        READ("Failed", { "errno", JSON_KIND_INT, true, &ret->number }, TEXT(message));
}

int record_policy_error(json_t *v, struct policy_error_record *ret) {
        READ("PolicyError", TEXT(file), INT(line), INT(column), TEXT(path), TEXT(message));
}

int record_problem(json_t *v, struct problem_record *ret) {
        READ("Problem", OPTIONAL_TEXT(address), TEXT(reason), TEXT(message), TEXT(hint));
}

int record_status(json_t *v, struct status_record *ret) {
        READ("Status", TEXT(version), BOOL(ready), BOOL(policy_valid), ARRAY(policy_errors),
             TEXT(fence_backend), BOOL(can_fd), BOOL(can_node), INT(pfs), INT(vfs), OBJECT(vf_states),
             INT(leases), OPTIONAL_INT(lost_faults), ARRAY(problems));
}

int record_pf(json_t *v, struct pf_record *ret) {
        READ("PF", TEXT(address), TEXT(driver), TEXT(netdev), TEXT(vendor), TEXT(device), TEXT(class),
             TEXT(model), INT(numa_node), TEXT(slot), TEXT(serial), TEXT(mac), INT(link_mbps), INT(total_vfs),
             INT(num_vfs), OPTIONAL_TEXT(pool), BOOL(whole), BOOL(stuck), BOOL(drained), TEXT(drain_reason),
             INT(pending_vfs), OPTIONAL_INT(capacity), OPTIONAL_INT(available), OPTIONAL_TEXT(eswitch),
             TEXT(reason));
}

int record_vf(json_t *v, struct vf_record *ret) {
        READ("VF", TEXT(address), TEXT(pf), INT(index), OPTIONAL_TEXT(pool), TEXT(state), TEXT(reason),
             TEXT(message), TEXT(hint), TEXT(driver), INT(group), TEXT(group_type), BOOL(isolated),
             TEXT(verdict), INT(numa_node), OPTIONAL_TEXT(lease), OPTIONAL_TEXT(tenant), OPTIONAL_TEXT(vm),
             OPTIONAL_TEXT(reserved), ARRAY(holders), BOOL(condemned), INT(faults), OPTIONAL_TEXT(last_fault),
             ARRAY(drift), OPTIONAL_TEXT(representor), OPTIONAL_TEXT(function_state),
             OPTIONAL_INT(max_io_eqs), { "namespaces", JSON_KIND_ARRAY, false, &ret->namespaces });
}

int record_finding(json_t *v, struct finding_record *ret) {
        READ("Finding", TEXT(finding), TEXT(severity), TEXT(at), TEXT(message), TEXT(hint), BOOL(accepted));
}

int record_hop(json_t *v, struct hop_record *ret) {
        READ("Hop", TEXT(address), TEXT(kind), BOOL(readable),
             { "acs_capable", JSON_KIND_ARRAY, false, &ret->acs_capable },
             { "acs_enabled", JSON_KIND_ARRAY, false, &ret->acs_enabled }, OPTIONAL_TEXT(ats),
             OPTIONAL_TEXT(pri), OPTIONAL_TEXT(pasid), { "sriov", JSON_KIND_OBJECT, false, &ret->sriov });
}

int record_sriov(json_t *v, struct sriov_record *ret) {
        READ("SriovState", BOOL(enabled), INT(num_vfs), BOOL(ari));
}

int record_evidence(json_t *v, struct evidence_record *ret) {
        READ("Evidence", TEXT(verdict), BOOL(leasable), ARRAY(findings), ARRAY(path), ARRAY(group_members));
}

int record_holder(json_t *v, struct holder_record *ret) {
        READ("Holder", INT(pid), TEXT(command));
}

int record_lease(json_t *v, struct lease_record *ret) {
        READ("Lease", TEXT(id), TEXT(tenant), ARRAY(pools), TEXT(vm), TEXT(group), BOOL(anti_affinity),
             INT(uid), INT(pid), TEXT(hand_off), INT(created), INT(expires), BOOL(ending),
             OPTIONAL_TEXT(over_policy), ARRAY(vfs), ARRAY(devices), ARRAY(unsafe));
}

/* A flag of three values. */
static int read_tristate(json_t *v, const char *name, enum tristate *ret) {
        json_t *member = json_object_get(v, name);

        if (member && !json_is_null(member) && !json_is_boolean(member))
                return bad_reply("Attributes", name);
        *ret = !json_is_boolean(member) ? TRI_UNKNOWN : json_is_true(member) ? TRI_YES : TRI_NO;
        return 0;
}

static int read_attributes(json_t *v, struct attributes_record *ret) {
        *ret = (struct attributes_record){
                .vlan = -1, .vlan_qos = -1, .min_tx_mbps = -1, .max_tx_mbps = -1, .max_io_eqs = -1
        };
        int r = read_tristate(v, "spoof_check", &ret->spoof_check);

        if (r < 0 || (r = read_tristate(v, "trust", &ret->trust)) < 0 ||
            (r = read_tristate(v, "rss_query", &ret->rss_query)) < 0)
                return r;
        READ("Attributes", OPTIONAL_TEXT(mac), OPTIONAL_INT(vlan), OPTIONAL_INT(vlan_qos),
             OPTIONAL_TEXT(vlan_protocol), OPTIONAL_INT(min_tx_mbps), OPTIONAL_INT(max_tx_mbps),
             OPTIONAL_TEXT(link_state), OPTIONAL_INT(max_io_eqs), OPTIONAL_TEXT(function_state));
}

static int read_leased_vf(json_t *v, struct leased_vf_record *ret) {
        READ("LeasedVF", TEXT(address), TEXT(pf), TEXT(pool));
}

int record_leased_vf(json_t *v, struct leased_vf_record *ret) {
        json_t *attributes;
        int r = read_leased_vf(v, ret);

        if (r < 0 || (r = record_object(v, "attributes", &attributes)) < 0)
                return r;
        return read_attributes(attributes, &ret->attributes);
}

int record_reservation(json_t *v, struct reservation_record *ret) {
        READ("Reservation", TEXT(tenant), TEXT(vm), ARRAY(pools), INT(created), OPTIONAL_TEXT(lease),
             OPTIONAL_TEXT(over_policy), ARRAY(devices));
}

int record_explanation(json_t *v, struct explanation_record *ret) {
        READ("Explanation", TEXT(rule), TEXT(value), TEXT(why));
}

int record_pool(json_t *v, struct pool_record *ret) {
        READ("Pool", TEXT(name), TEXT(class), TEXT(assign), TEXT(placement), INT(pfs), INT(vfs), INT(ready),
             INT(leased), INT(reserved), INT(waiting));
}

int record_tenant(json_t *v, struct tenant_record *ret) {
        READ("Tenant", TEXT(name), INT(memlock), INT(quota), INT(used), INT(max_lease), ARRAY(pools));
}

int record_tenant_pool(json_t *v, struct tenant_pool_record *ret) {
        READ("TenantPool", TEXT(pool), INT(quota), INT(used));
}

int record_step(json_t *v, struct step_record *ret) {
        READ("Step", TEXT(kind), TEXT(address), INT(from), INT(to), TEXT(because), BOOL(destructive),
             BOOL(blocked), BOOL(pending), TEXT(reason), ARRAY(hits));
}

int record_device(json_t *v, struct device_record *ret) {
        ret->device_fd = ret->iommufd_fd = -1;
        READ("Device", TEXT(address), INT(group), OPTIONAL_INT(device_fd), OPTIONAL_INT(iommufd_fd),
             OPTIONAL_TEXT(node));
}

int record_event(json_t *v, struct event_record *ret) {
        READ("Event", INT(time), TEXT(kind), OPTIONAL_TEXT(address), OPTIONAL_TEXT(old), OPTIONAL_TEXT(new),
             OPTIONAL_TEXT(reason), OPTIONAL_TEXT(message), OPTIONAL_TEXT(lease), OPTIONAL_TEXT(tenant),
             OPTIONAL_TEXT(vm));
}

int record_statistics(json_t *v, struct statistics_record *ret) {
        READ("Statistics", TEXT(address), TEXT(pf), OPTIONAL_TEXT(lease), OPTIONAL_TEXT(tenant),
             OPTIONAL_TEXT(vm), TEXT(known), INT(read),
             { "counters", JSON_KIND_OBJECT, false, &ret->counters });
}

int record_counters(json_t *v, struct counters_record *ret) {
        const struct json_field fields[] = {
#define X(code, name) { name, JSON_KIND_INT, true, &ret->value[COUNTER_##code] },
                VF_COUNTERS(X)
#undef X
        };

        return read_fields(v, "Counters", fields, ARRAY_SIZE(fields));
}

int record_controller(json_t *v, struct controller_record *ret) {
        json_t *celsius = json_object_get(v, "celsius");

        ret->celsius = json_is_integer(celsius) ? celsius : NULL;
        READ("NvmeController", TEXT(model), TEXT(serial), TEXT(firmware), INT(controller), BOOL(health_known),
             INT(spare), INT(used), INT(media_errors), INT(capacity), INT(available));
}

int record_resources(json_t *v, struct resources_record *ret) {
        READ("NvmeResources", INT(flexible), INT(assigned), INT(primary), INT(most));
}

int record_secondary(json_t *v, struct secondary_record *ret) {
        READ("NvmeSecondary", OPTIONAL_TEXT(vf), INT(controller), INT(queues), INT(interrupts), BOOL(online));
}

int record_namespace(json_t *v, struct namespace_record *ret) {
        READ("NvmeNamespace", OPTIONAL_TEXT(vf), OPTIONAL_TEXT(tenant), OPTIONAL_TEXT(vm),
             OPTIONAL_TEXT(erase), INT(nsid), INT(size), INT(block_size), ARRAY(controllers));
}

int record_applied(json_t *v, struct applied_record *ret) {
        READ("Apply", { "step", JSON_KIND_OBJECT, false, &ret->step }, OPTIONAL_TEXT(outcome),
             OPTIONAL_TEXT(error), INT(done), INT(failed), INT(skipped));
}

int record_array(json_t *v, const char *key, json_t **ret) {
        *ret = json_object_get(v, key);
        return json_is_array(*ret) ? 0 : bad_reply("array", key);
}

int record_object(json_t *v, const char *key, json_t **ret) {
        *ret = json_object_get(v, key);
        return json_is_object(*ret) ? 0 : bad_reply("object", key);
}

int record_string(json_t *v, const char *what, const char **ret) {
        *ret = json_string_value(v);
        return *ret ? 0 : bad_reply("string", what);
}

int record_strings(json_t *array, const char *what, const char *separator, char **ret) {
        _cleanup_free_ char *text = NULL;
        json_t *e;
        size_t i;

        if (text_append(&text, "%s", "") < 0)
                out_of_memory();
        json_array_foreach(array, i, e) {
                const char *s;

                if (record_string(e, what, &s) < 0)
                        return -EPROTO;
                if (text_append(&text, "%s%s", i > 0 ? separator : "", s) < 0)
                        out_of_memory();
        }
        *ret = TAKE_PTR(text);
        return 0;
}

void print_policy_error(FILE *f, const char *indent, const struct policy_error_record *e) {
        _cleanup_free_ char *file = text_escape(e->file), *path = text_escape(e->path),
                            *message = text_escape(e->message);

        fprintf(f, "%s%s:", indent, file);
        if (e->line > 0)
                fprintf(f, "%lld:", (long long) e->line);
        if (e->line > 0 && e->column > 0)
                fprintf(f, "%lld:", (long long) e->column);
        fprintf(f, " %s%s%s\n", path, path[0] ? ": " : "", message);
}
