/* SPDX-License-Identifier: GPL-2.0-or-later */
/* NVMe controllers to JSON. */

#include "daemon/nvme-json.h"
#include "daemon/nvme.h"

#define KELVIN 273

static json_t *number(uint64_t n) {
        return json_integer((json_int_t) MIN(n, (uint64_t) INT64_MAX));
}

static json_t *flags_json(uint32_t flags, const char *const *names, size_t n) {
        json_t *list = json_array();

        for (size_t i = 0; i < n; i++)
                if (flags & 1U << i)
                        json_array_append_new(list, json_string(names[i]));
        return list;
}

static json_t *resources_json(const struct nvme_resources *r) {
        return json_pack("{s:o,s:o,s:i,s:i,s:i,s:i}", "flexible", number(r->flexible), "assigned",
                         number(r->assigned), "primary", r->primary, "private", r->private_, "most",
                         r->secondary_max, "granularity", r->granularity);
}

static json_t *secondaries_json(const struct managed_pf *p) {
        json_t *list = json_array();

        FOREACH_ARRAY(s, p->nvme.secondaries, p->nvme.primary.n_secondaries) {
                const struct vf *vf =
                                s->vf > 0 && s->vf <= p->pf.n_vfs && p->pf.vfs[s->vf - 1]->index + 1 == s->vf
                                                ? p->pf.vfs[s->vf - 1]
                                                : NULL;

                json_array_append_new(list,
                                      json_pack("{s:i,s:o,s:i,s:i,s:b}", "controller", s->controller, "vf",
                                                json_string_or_null(vf ? ADDRESS_STR(vf->address) : NULL),
                                                "queues", s->queues, "interrupts", s->interrupts, "online",
                                                s->online));
        }
        return list;
}

/* Attachments are sorted by namespace: *next is where those of this one begin. */
static json_t *attached_json(const struct nvme_state *s, uint32_t nsid, size_t *next) {
        json_t *list = json_array();

        while (*next < s->primary.n_attachments && s->attachments[*next].nsid < nsid)
                ++*next;
        for (; *next < s->primary.n_attachments && s->attachments[*next].nsid == nsid; ++*next)
                json_array_append_new(list, json_integer(s->attachments[*next].controller));
        return list;
}

static json_t *list_namespaces_json(const struct managed_pf *p) {
        json_t *list = json_array();
        size_t next = 0;

        FOREACH_ARRAY(n, p->nvme.namespaces, p->nvme.primary.n_namespaces) {
                const struct disk *d = disk_of(p, n->nsid);
                bool known = d && !d->unreadable;

                json_array_append_new(
                                list,
                                json_pack("{s:o,s:o,s:o,s:i,s:b,s:o,s:o,s:o,s:o,s:o}", "nsid",
                                          number(n->nsid), "size", number(n->size), "used", number(n->used),
                                          "block_size", (int) n->block_size, "shared", n->shared,
                                          "controllers", attached_json(&p->nvme, n->nsid, &next), "vf",
                                          json_string_or_null(known && !d->kept ? ADDRESS_STR(d->vf) : NULL),
                                          "tenant", json_string_or_null(known ? d->tenant : NULL), "vm",
                                          json_string_or_null(known ? d->vm : NULL), "erase",
                                          json_string_or_null(known ? erase_rule_to_string(d->erase)
                                                                    : NULL)));
        }
        return list;
}

/* Bits of the critical warning (NVM Express base specification 2.0, figure 207). */
static const char *const warnings[] = { "spare",     "temperature", "reliability",
                                        "read-only", "volatile",    "persistent-memory" };
static const char *const abilities[] = { "virtualize", "namespaces",  "format",
                                         "crypto",     "formats-all", "host-uses" };

json_t *controller_json(const struct managed_pf *p) {
        const struct nvme_primary *n = &p->nvme.primary;

        return json_pack("{s:s,s:s,s:s,s:s,s:i,s:o,s:o,s:o,s:o,s:b,s:o,s:i,s:i,s:i,s:o,s:o,s:o,s:o,s:o}",
                         "address", ADDRESS_STR(p->pf.address), "model", n->model, "serial", n->serial,
                         "firmware", n->firmware, "controller", n->controller, "can",
                         flags_json(n->can, abilities, ARRAY_SIZE(abilities)), "queues",
                         resources_json(&n->queues), "interrupts", resources_json(&n->interrupts), "warnings",
                         flags_json(n->critical_warning, warnings, ARRAY_SIZE(warnings)), "health_known",
                         n->health_known, "celsius",
                         n->temperature > 0 ? json_integer(n->temperature - KELVIN) : json_null(), "spare",
                         n->spare, "spare_threshold", n->spare_threshold, "used", n->used, "media_errors",
                         number(n->media_errors), "capacity", number(n->capacity), "available",
                         number(n->available), "secondaries", secondaries_json(p), "namespaces",
                         list_namespaces_json(p));
}

json_t *namespaces_json(const struct managed_vf *v) {
        json_t *list = json_array();

        for (const struct disk *d = v->disks; d; d = d->next)
                if (d->nsid > 0)
                        json_array_append_new(list, number(d->nsid));
        return list;
}
