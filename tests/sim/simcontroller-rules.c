/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The rules of NVMe controllers. */

#include "simcontroller-rules.h"
#include "common/macro.h"

#include <string.h>

uint64_t number(const json_t *object, const char *key) {
        const json_t *value = json_object_get(object, key);

        return json_is_true(value) ? 1 : (uint64_t) json_integer_value(value);
}

void set_number(json_t *object, const char *key, uint64_t value) {
        json_object_set_new(object, key, json_integer((json_int_t) value));
}

static bool can(const json_t *state, const char *what) {
        json_t *one;
        size_t i;

        json_array_foreach(json_object_get(state, "can"), i, one) {
                if (strcmp(json_string_value(one), what) == 0)
                        return true;
        }
        return false;
}

/* The element of state's list by its number; *ret_at where it is, or belongs. */
static json_t *find(const json_t *state, const char *list, const char *key, uint64_t value, size_t *ret_at) {
        json_t *one;
        size_t i;

        json_array_foreach(json_object_get(state, list), i, one) {
                if (number(one, key) < value)
                        continue;
                *ret_at = i;
                return number(one, key) == value ? one : NULL;
        }
        *ret_at = i;
        return NULL;
}

static json_t *find_secondary(const json_t *state, uint16_t controller) {
        size_t at;

        return find(state, "secondaries", "controller", controller, &at);
}

/* --- flexible resources --- */

static uint64_t count_assigned(const json_t *state, const char *kind) {
        uint64_t n = 0;
        json_t *one;
        size_t i;

        json_array_foreach(json_object_get(state, "secondaries"), i, one) {
                n += number(one, kind);
        }
        return n;
}

static int primary(json_t *state, const struct command *c, const char *kind) {
        json_t *resources = json_object_get(state, kind);

        if (c->controller != number(state, "controller"))
                return SIM_CONTROLLER;
        if (c->value + count_assigned(state, kind) > number(resources, "flexible"))
                return SIM_AMOUNT;
        set_number(resources, "next", c->value);
        return 0;
}

static int assign(json_t *state, struct command *c, const char *kind) {
        const json_t *resources = json_object_get(state, kind);
        json_t *secondary = find_secondary(state, c->controller);

        if (!secondary)
                return SIM_CONTROLLER;
        if (number(secondary, "online"))
                return SIM_STATE;
        uint64_t others = count_assigned(state, kind) - number(secondary, kind);
        uint64_t held = MAX(number(resources, "primary"), number(resources, "next"));
        if (c->value > number(resources, "secondary_max") ||
            c->value + others + held > number(resources, "flexible"))
                return SIM_AMOUNT;
        set_number(secondary, kind, c->value);
        c->result = c->value;
        return 0;
}

static void release(json_t *secondary) {
        set_number(secondary, "online", 0);
        set_number(secondary, "queues", 0);
        set_number(secondary, "interrupts", 0);
}

static void release_all(json_t *state) {
        json_t *one;
        size_t i;

        json_array_foreach(json_object_get(state, "secondaries"), i, one) {
                release(one);
        }
}

/* What the primary is to keep it has from its next reset on, which takes its VFs down with it. */
static int reset(json_t *state, bool function) {
        static const char *const kinds[] = { "queues", "interrupts" };

        release_all(state);
        if (!function && number(state, "stubborn"))
                return 0;
        for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
                json_t *resources = json_object_get(state, kinds[i]);

                set_number(resources, "primary", number(resources, "next"));
        }
        return 0;
}

/* One queue is the admin queue. */
static int set_online(json_t *state, const struct command *c, unsigned num_vfs, bool online) {
        json_t *secondary = find_secondary(state, c->controller);

        if (!secondary)
                return SIM_CONTROLLER;
        if (!online) {
                release(secondary);
                return 0;
        }
        if (number(secondary, "queues") < 2 || number(secondary, "interrupts") < 1 ||
            number(secondary, "vf") > num_vfs)
                return SIM_STATE;
        set_number(secondary, "online", 1);
        return 0;
}

/* --- namespaces --- */

static uint64_t available(const json_t *state) {
        uint64_t left = number(state, "capacity");
        json_t *one;
        size_t i;

        json_array_foreach(json_object_get(state, "namespaces"), i, one) {
                left -= MIN(left, number(one, "size"));
        }
        return left;
}

static int create(json_t *state, struct command *c) {
        json_t *list = json_object_get(state, "namespaces");
        uint32_t nsid = 1;
        size_t at;

        if (c->value == 0)
                return SIM_INVALID_FIELD;
        if (c->value > available(state))
                return SIM_CAPACITY;
        while (find(state, "namespaces", "nsid", nsid, &at))
                nsid++;
        if (nsid > number(state, "namespaces_max"))
                return SIM_NO_NSID;
        json_array_insert_new(list, at,
                              json_pack("{s:i, s:i, s:I, s:i, s:b, s:s, s:[]}", "nsid", (int) nsid,
                                        "block_size", c->block_size ? (int) c->block_size : 4096, "size",
                                        (json_int_t) c->value, "used", 0, "shared", 0, "data", "",
                                        "controllers"));
        c->result = nsid;
        return 0;
}

static bool find_controller(const json_t *namespace, uint64_t controller, size_t *ret_at) {
        const json_t *list = json_object_get(namespace, "controllers");
        size_t n = json_array_size(list), i = 0;

        while (i < n && (uint64_t) json_integer_value(json_array_get(list, i)) < controller)
                i++;
        *ret_at = i;
        return i < n && (uint64_t) json_integer_value(json_array_get(list, i)) == controller;
}

static int attach(const json_t *state, json_t *namespace, uint16_t controller) {
        json_t *controllers = json_object_get(namespace, "controllers");
        size_t at;

        if (controller != number(state, "controller") && !find_secondary(state, controller))
                return SIM_LIST;
        if (find_controller(namespace, controller, &at))
                return SIM_ATTACHED;
        if (!number(namespace, "shared") && json_array_size(controllers) > 0)
                return SIM_PRIVATE;
        json_array_insert_new(controllers, at, json_integer(controller));
        return 0;
}

static int detach(json_t *namespace, uint64_t controller) {
        size_t at;

        if (!find_controller(namespace, controller, &at))
                return SIM_NOT_ATTACHED;
        json_array_remove(json_object_get(namespace, "controllers"), at);
        return 0;
}

static int format(const json_t *state, json_t *namespace, bool crypto) {
        json_t *one;
        size_t i;

        if (crypto && !can(state, "crypto"))
                return SIM_INVALID_FIELD;
        if (!find_controller(namespace, number(state, "controller"), &i) && !number(state, "format_inactive"))
                return SIM_INVALID_FIELD;
        json_array_foreach(json_object_get(state, "namespaces"), i, one) {
                if (one != namespace && !number(state, "formats_all"))
                        continue;
                json_object_set_new(one, "data", json_string(""));
                set_number(one, "used", 0);
        }
        return 0;
}

static int apply_to_namespace(json_t *state, const struct command *c) {
        size_t at;
        json_t *namespace = find(state, "namespaces", "nsid", c->nsid, &at);

        if (!can(state, c->verb == VERB_FORMAT ? "format" : "namespaces"))
                return SIM_INVALID_OPCODE;
        if (!namespace)
                return SIM_INVALID_NAMESPACE;
        if (c->verb == VERB_DELETE)
                return json_array_remove(json_object_get(state, "namespaces"), at) < 0 ? SIM_INTERNAL : 0;
        if (c->verb == VERB_FORMAT)
                return format(state, namespace, c->value != 0);
        return c->verb == VERB_ATTACH ? attach(state, namespace, c->controller)
                                      : detach(namespace, c->controller);
}

int rules_apply(json_t *state, struct command *c, unsigned num_vfs) {
        bool virtual = can(state, "virtualize");

        switch (c->verb) {
        case VERB_IDENTIFY:
        case VERB_READ:
        case VERB_HEALTH:
                return 0;
        case VERB_RESET:
        case VERB_RESET_FUNCTION:
                return reset(state, c->verb == VERB_RESET_FUNCTION);
        case VERB_PRIMARY_VQ:
        case VERB_PRIMARY_VI:
                return virtual ? primary(state, c, c->verb == VERB_PRIMARY_VQ ? "queues" : "interrupts")
                               : SIM_INVALID_OPCODE;
        case VERB_ASSIGN_VQ:
        case VERB_ASSIGN_VI:
                return virtual ? assign(state, c, c->verb == VERB_ASSIGN_VQ ? "queues" : "interrupts")
                               : SIM_INVALID_OPCODE;
        case VERB_OFFLINE:
        case VERB_ONLINE:
                return virtual ? set_online(state, c, num_vfs, c->verb == VERB_ONLINE) : SIM_INVALID_OPCODE;
        case VERB_CREATE:
                return can(state, "namespaces") ? create(state, c) : SIM_INVALID_OPCODE;
        case VERB_DELETE:
        case VERB_ATTACH:
        case VERB_DETACH:
        case VERB_FORMAT:
                return apply_to_namespace(state, c);
        case _VERB_MAX:
                break;
        }
        return SIM_INVALID_OPCODE;
}

void rules_vfs(json_t *state, unsigned num_vfs) {
        json_t *secondary, *namespace;
        size_t i, j;

        release_all(state);
        json_array_foreach(json_object_get(state, "secondaries"), j, secondary) {
                set_number(secondary, "online",
                           !can(state, "virtualize") && number(secondary, "vf") <= num_vfs);
        }
        json_array_foreach(json_object_get(state, "namespaces"), i, namespace) {
                json_array_foreach(json_object_get(state, "secondaries"), j, secondary) {
                        if (number(secondary, "vf") > num_vfs && number(state, "forgets"))
                                detach(namespace, number(secondary, "controller"));
                        else if (number(secondary, "vf") <= num_vfs && number(state, "attach_new") &&
                                 number(namespace, "shared"))
                                attach(state, namespace, (uint16_t) number(secondary, "controller"));
                }
        }
}

/* --- what Identify says --- */

static struct nvme_resources resources_of(const json_t *state, const char *kind) {
        const json_t *r = json_object_get(state, kind);

        return (struct nvme_resources){
                .flexible = (uint32_t) number(r, "flexible"),
                .assigned = (uint32_t) count_assigned(state, kind),
                .primary = (uint16_t) number(r, "primary"),
                .private_ = (uint16_t) number(r, "private"),
                .secondary_max = (uint16_t) number(r, "secondary_max"),
                .granularity = (uint16_t) number(r, "granularity"),
        };
}

static uint32_t capabilities(const json_t *state) {
        return (can(state, "virtualize") ? NVME_CAN_VIRTUALIZE : 0) |
               (can(state, "namespaces") ? NVME_CAN_NAMESPACES : 0) |
               (can(state, "format") ? NVME_CAN_FORMAT : 0) | (can(state, "crypto") ? NVME_CAN_CRYPTO : 0) |
               (number(state, "formats_all") ? NVME_FORMATS_ALL : 0);
}

static void identify_primary(const json_t *state, struct nvme_primary *p) {
        *p = (struct nvme_primary){
                .can = capabilities(state),
                .controller = (uint16_t) number(state, "controller"),
                .critical_warning = (uint8_t) number(state, "critical_warning"),
                .spare = (uint8_t) number(state, "spare"),
                .spare_threshold = (uint8_t) number(state, "spare_threshold"),
                .used = (uint8_t) number(state, "used"),
                .temperature = (uint16_t) number(state, "temperature"),
                .media_errors = number(state, "media_errors"),
                .capacity = number(state, "capacity"),
                .available = available(state),
                .namespaces_max = (uint32_t) number(state, "namespaces_max"),
        };
        if (p->can & NVME_CAN_VIRTUALIZE) {
                p->queues = resources_of(state, "queues");
                p->interrupts = resources_of(state, "interrupts");
                p->n_secondaries = (uint32_t) json_array_size(json_object_get(state, "secondaries"));
        }
        p->n_namespaces = (uint32_t) json_array_size(json_object_get(state, "namespaces"));
        snprintf(p->model, sizeof(p->model), "%s", json_string_value(json_object_get(state, "model")));
        snprintf(p->serial, sizeof(p->serial), "%s", json_string_value(json_object_get(state, "serial")));
        snprintf(p->firmware, sizeof(p->firmware), "%s",
                 json_string_value(json_object_get(state, "firmware")));
}

static void identify_namespace(const json_t *one, struct nvme_namespace *n, struct nvme_attachment *to) {
        json_t *controller;
        size_t i;

        *n = (struct nvme_namespace){ .nsid = (uint32_t) number(one, "nsid"),
                                      .block_size = (uint32_t) number(one, "block_size"),
                                      .size = number(one, "size"),
                                      .used = number(one, "used"),
                                      .shared = (uint8_t) number(one, "shared") };
        json_array_foreach(json_object_get(one, "controllers"), i, controller) {
                to[i] = (struct nvme_attachment){ .nsid = n->nsid,
                                                  .controller = (uint16_t) json_integer_value(controller) };
        }
}

void rules_identify(const json_t *state, struct nvme_state *ret) {
        struct nvme_primary *p = &ret->primary;
        json_t *one;
        size_t i;

        identify_primary(state, p);
        json_array_foreach(json_object_get(state, "namespaces"), i, one) {
                p->n_attachments += (uint32_t) json_array_size(json_object_get(one, "controllers"));
        }
        ret->secondaries = calloc(p->n_secondaries + 1, sizeof(*ret->secondaries));
        ret->namespaces = calloc(p->n_namespaces + 1, sizeof(*ret->namespaces));
        ret->attachments = calloc(p->n_attachments + 1, sizeof(*ret->attachments));
        if (!ret->secondaries || !ret->namespaces || !ret->attachments)
                abort();
        for (i = 0; i < p->n_secondaries; i++) {
                one = json_array_get(json_object_get(state, "secondaries"), i);
                ret->secondaries[i] =
                                (struct nvme_secondary){ .controller = (uint16_t) number(one, "controller"),
                                                         .vf = (uint16_t) number(one, "vf"),
                                                         .queues = (uint16_t) number(one, "queues"),
                                                         .interrupts = (uint16_t) number(one, "interrupts"),
                                                         .online = (uint8_t) number(one, "online") };
        }
        struct nvme_attachment *to = ret->attachments;
        json_array_foreach(json_object_get(state, "namespaces"), i, one) {
                identify_namespace(one, &ret->namespaces[i], to);
                to += json_array_size(json_object_get(one, "controllers"));
        }
}
