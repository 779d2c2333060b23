/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Plain data to JSON. */

#include "daemon/to-json.h"
#include "common/text.h"
#include "daemon/attributes-json.h"
#include "daemon/baseline.h"
#include "daemon/evidence-json.h"
#include "daemon/lease.h"
#include "daemon/nvme-json.h"
#include "daemon/peer.h"
#include "daemon/pf.h"
#include "daemon/reservation.h"
#include "sriov/names.h"

#include <string.h>

static json_t *address_json(struct address a) {
        return json_string(ADDRESS_STR(a));
}

static json_t *hex_json(unsigned v, int digits) {
        char buf[16];

        snprintf(buf, sizeof(buf), "%0*x", digits, v);
        return json_string(buf);
}

static json_t *pool_json(const struct manager *m, const struct pf *pf) {
        return m->policy && pf->pool >= 0 ? json_string(m->policy->pools[pf->pool].name) : json_null();
}

static json_t *bytes_json(uint64_t bytes) {
        return json_integer((json_int_t) MIN(bytes, (uint64_t) INT64_MAX));
}

json_t *pf_json(const struct manager *m, const struct pf *pf) {
        const char *serial = pf->serial[0] ? pf->serial : pf->dsn;
        char model[128];

        return json_pack(
                        "{s:o,s:s,s:s,s:o,s:o,s:o,s:o,s:i,s:o,s:o,s:s,s:I,s:i,s:i,s:o,s:b,s:b,s:b,s:o,s:i,s:o,s:o,s:s,s:s}",
                        "address", address_json(pf->address), "driver", pf->driver, "netdev", pf->netdev,
                        "vendor", hex_json(pf->vendor, 4), "device", hex_json(pf->device, 4), "class",
                        hex_json(pf->class, 6), "model",
                        json_text_value(names_device(pf->vendor, pf->device, model, sizeof(model))),
                        "numa_node", pf->numa_node, "slot", json_text_value(pf->slot), "serial",
                        json_text_value(serial), "mac", mac_to_number(pf->mac) ? MAC_STR(pf->mac) : "",
                        "link_mbps", (json_int_t) pf->link_mbps, "total_vfs", (int) pf->total_vfs, "num_vfs",
                        (int) pf->num_vfs, "pool", pool_json(m, pf), "whole", pf->whole, "stuck", pf->stuck,
                        "drained", pf->drained, "drain_reason", json_text_value(managed_pf(pf)->drain_reason),
                        "pending_vfs", (int) pf->pending_vfs, "capacity",
                        bytes_json(managed_pf(pf)->nvme.primary.capacity), "available",
                        bytes_json(managed_pf(pf)->nvme.primary.available), "eswitch",
                        eswitch_mode_to_string(pf->eswitch), "reason", reason_name(pf->reason));
}

static json_t *holders_json(const struct managed_vf *v) {
        json_t *holders = json_array();

        for (size_t i = 0; i < v->n_holders; i++) {
                char name[64];

                process_name(v->holders[i], name, sizeof(name));
                json_array_append_new(holders, json_pack("{s:i,s:o}", "pid", (int) v->holders[i], "command",
                                                         json_text_value(name)));
        }
        return holders;
}

static json_t *drift_json(uint32_t drift) {
        json_t *names = json_array();

        for (uint32_t bit = 1; bit <= ATTR_ALL; bit <<= 1)
                if (drift & bit)
                        json_array_append_new(names, json_string(attribute_name(bit)));
        return names;
}

/* What only a port of a switch has: as it was told or said, but for what somebody else changed since. */
static void add_port(json_t *o, const struct managed_vf *v, const struct lease *l) {
        struct vf_attributes a = baseline_with(v, &(struct vf_attributes){ 0 });

        for (size_t i = 0; l && i < l->n_vfs; i++)
                if (address_equal(l->vfs[i].address, v->vf.address))
                        a = baseline_with(v, &l->vfs[i].attributes);
        if (v->vf.state != VF_READY && v->vf.state != VF_LEASED)
                a.set = 0;
        if (v->drift & ATTR_FUNCTION_STATE)
                a.function_state = FUNCTION_STATE_INACTIVE;
        a.set &= ~(v->drift & ATTR_MAX_IO_EQS);
        json_object_set_new(
                        o, "function_state",
                        json_string_or_null(a.set & ATTR_FUNCTION_STATE
                                                            ? function_state_to_string(
                                                                              (enum function_state) a
                                                                                              .function_state)
                                                            : NULL));
        json_object_set_new(o, "max_io_eqs",
                            a.set & ATTR_MAX_IO_EQS ? json_integer(a.max_io_eqs) : json_null());
}

json_t *vf_json(struct manager *m, const struct managed_vf *v) {
        const struct vf *vf = &v->vf;
        const struct lease *l = lease_of_vf(v);
        enum reason reason = vf->reason != REASON_NONE ? vf->reason : v->shown;
        const struct lease *promise = reservation_of(m, vf->address);
        char message[400], reserved[2 * NAME_MAX_LEN + 2] = "";
        struct judgement j;

        if (promise)
                snprintf(reserved, sizeof(reserved), "%s/%s", promise->tenant, promise->vm);
        vf_judge(v, &j);
        message[0] = '\0';
        if (reason == REASON_NONE && v->condemned != REASON_NONE)
                snprintf(message, sizeof(message), "%s%s%s", reason_sentence(reason = v->condemned),
                         v->condemned_detail[0] ? ": " : "", v->condemned_detail);
        else if (reason != REASON_NONE)
                snprintf(message, sizeof(message), "%s%s%s", reason_sentence(reason),
                         vf_shown_detail(v)[0] ? ": " : "", vf_shown_detail(v));
        json_t *o = json_pack(
                        "{s:o,s:o,s:i,s:o,s:s,s:s,s:o,s:s,s:s,s:i,s:s,s:b,s:s,s:i,s:o,s:o,s:o,s:o,s:o,s:o,s:b,s:I,s:o,s:o,s:o,s:o}",
                        "address", address_json(vf->address), "pf", address_json(vf->pf->address), "index",
                        (int) vf->index, "pool", pool_json(m, vf->pf), "state", vf_state_to_string(vf->state),
                        "reason", reason_name(reason), "message", json_text_value(message), "hint",
                        reason != REASON_NONE ? reason_hint(reason) : "", "driver", vf->driver, "group",
                        vf->group, "group_type", vf->group_type, "isolated",
                        (vf->state == VF_READY || vf->state == VF_LEASING || vf->state == VF_LEASED) &&
                                        j.verdict == VERDICT_ISOLATED,
                        "verdict", verdict_to_string(j.verdict), "numa_node", vf->pf->numa_node, "lease",
                        json_string_or_null(vf->lease), "tenant", json_string_or_null(l ? l->tenant : NULL),
                        "vm", json_string_or_null(l ? l->vm : NULL), "reserved",
                        json_string_or_null(reserved), "holders", holders_json(v), "accepted",
                        excused_json(judgement_excused(&j, vf_accepted(v))), "condemned",
                        v->condemned != REASON_NONE, "faults", (json_int_t) v->n_faults, "last_fault",
                        v->last_fault[0] ? json_text_value(v->last_fault) : json_null(), "drift",
                        drift_json(v->drift), "namespaces", namespaces_json(v), "representor",
                        json_text_value(vf->representor));
        if (o)
                add_port(o, v, l);
        return o;
}

static json_t *pools_json(const struct lease *l) {
        json_t *pools = json_array();

        for (size_t i = 0; i < l->n_pools; i++)
                json_array_append_new(pools, json_string(l->pools[i]));
        return pools;
}

static json_t *leased_vfs_json(const struct lease *l) {
        json_t *vfs = json_array();

        for (size_t i = 0; i < l->n_vfs; i++)
                json_array_append_new(vfs,
                                      json_pack("{s:o,s:o,s:s,s:o}", "address",
                                                address_json(l->vfs[i].address), "pf",
                                                address_json(l->vfs[i].pf), "pool", l->pools[l->vfs[i].pool],
                                                "attributes", attributes_json(&l->vfs[i].attributes)));
        return vfs;
}

json_t *lease_json(const struct lease *l) {
        enum reason over = managed_lease(l)->over;
        json_t *vfs = json_array();
        finding_set unsafe = 0;

        for (size_t i = 0; i < l->n_vfs; i++) {
                const struct managed_vf *v = manager_find_vf(managed_lease(l)->manager, l->vfs[i].address);

                json_array_append_new(vfs, address_json(l->vfs[i].address));
                if (v)
                        unsafe |= vf_unsafe(v);
        }
        return json_pack("{s:s,s:s,s:o,s:s,s:s,s:b,s:I,s:I,s:s,s:I,s:I,s:b,s:o,s:o,s:o,s:o}", "id", l->id,
                         "tenant", l->tenant, "pools", pools_json(l), "vm", l->vm, "group", l->group,
                         "anti_affinity", l->apart, "uid", (json_int_t) l->uid, "pid", (json_int_t) l->pid,
                         "hand_off", hand_off_to_string(l->hand_off), "created", (json_int_t) l->created_usec,
                         "expires", (json_int_t) l->expires_usec, "ending", l->ending, "over_policy",
                         json_string_or_null(over != REASON_NONE ? reason_name(over) : NULL), "vfs", vfs,
                         "devices", leased_vfs_json(l), "unsafe", excused_json(unsafe));
}

json_t *reservation_json(const struct manager *m, const struct lease *promise) {
        enum reason over = managed_promise(promise)->over;
        const char *lease = NULL;

        for (size_t i = 0; i < m->n_leases; i++)
                if (!m->leases[i]->ending && strcmp(m->leases[i]->tenant, promise->tenant) == 0 &&
                    strcmp(m->leases[i]->vm, promise->vm) == 0)
                        lease = m->leases[i]->id;
        return json_pack("{s:s,s:s,s:o,s:I,s:o,s:o,s:o}", "tenant", promise->tenant, "vm", promise->vm,
                         "pools", pools_json(promise), "created", (json_int_t) promise->created_usec, "lease",
                         json_string_or_null(lease), "over_policy",
                         json_string_or_null(over != REASON_NONE ? reason_name(over) : NULL), "devices",
                         leased_vfs_json(promise));
}

json_t *device_json(const struct vf *vf, int device_fd) {
        char node[64];

        snprintf(node, sizeof(node), "/dev/vfio/%d", vf->group);
        return json_pack("{s:o,s:i,s:o,s:o,s:o}", "address", address_json(vf->address), "group", vf->group,
                         "device_fd", device_fd >= 0 ? json_integer(device_fd) : json_null(), "iommufd_fd",
                         device_fd >= 0 ? json_integer(device_fd + 1) : json_null(), "node",
                         device_fd >= 0 ? json_null() : json_string(node));
}

json_t *step_json(const struct step *s) {
        json_t *hits = json_array();

        for (size_t i = 0; i < s->n_hits; i++) {
                char who[2 * NAME_MAX_LEN + 40];

                snprintf(who, sizeof(who), "%s/%s (%s)", s->hits[i]->tenant, s->hits[i]->vm,
                         s->hits[i]->hand_off == HAND_OFF_AUTO ? "reserved" : s->hits[i]->id);
                json_array_append_new(hits, json_string(who));
        }
        return json_pack("{s:s,s:o,s:i,s:i,s:o,s:b,s:b,s:b,s:s,s:o}", "kind", step_kind_to_string(s->kind),
                         "address", address_json(s->address), "from", (int) s->from, "to", (int) s->to,
                         "because", json_text_value(s->because), "destructive", s->destructive, "blocked",
                         s->blocked, "pending", s->pending, "reason", reason_name(s->reason), "hits", hits);
}

json_t *policy_errors_json(const struct policy_errors *e) {
        json_t *errors = json_array();

        for (size_t i = 0; i < e->n; i++) {
                const struct policy_error *p = &e->items[i];

                json_array_append_new(errors,
                                      json_pack("{s:o,s:i,s:i,s:o,s:o}", "file", json_text_value(p->file),
                                                "line", p->at.line, "column", p->at.column, "path",
                                                json_text_value(p->path ? p->path : ""), "message",
                                                json_text_value(p->message)));
        }
        return errors;
}
