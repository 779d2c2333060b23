/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Steps of a plan as text. */

#include "cli/steps.h"
#include "cli/table.h"
#include "common/text.h"
#include "policy/plan.h"

#include <string.h>

/* The kind of a step; _STEP_KIND_MAX for one of a newer daemon. */
static enum step_kind kind_of(const struct step_record *s) {
        unsigned k = 0;

        while (k < _STEP_KIND_MAX && strcmp(step_kind_to_string((enum step_kind) k), s->kind) != 0)
                k++;
        return (enum step_kind) k;
}

struct step_effect step_effect(const struct step_record *s) {
        enum step_kind k = kind_of(s);

        if (k == STEP_ENABLE)
                return (struct step_effect){ .change = CHANGE_MAKE,
                                             .make = MAX(s->to - s->from, (int64_t) 0) };
        if (k == STEP_RESIZE)
                return (struct step_effect){ .change = CHANGE_REPLACE, .make = s->to, .destroy = s->from };
        if (k == STEP_DISABLE)
                return (struct step_effect){ .change = CHANGE_DESTROY, .destroy = s->from };
        if (k == STEP_ESWITCH && s->from > 0)
                return (struct step_effect){ .change = CHANGE_DESTROY, .destroy = s->from };
        /* a host driver that loses its VF is a loss, but not of the VF: the mark says so */
        return (struct step_effect){ .change = CHANGE_ALTER, .alter = 1 };
}

const char *change_sign(enum change c) {
        static const char *const signs[_CHANGE_MAX] = { "+  ", "~  ", "-/+", "-  " };

        return (unsigned) c < _CHANGE_MAX ? signs[c] : "?  ";
}

const char *step_text(const struct step_record *s, char buf[STEP_TEXT_MAX]) {
        bool numbers = s->from >= 0 && s->from <= VFS_PER_PF_MAX && s->to >= 0 && s->to <= VFS_PER_PF_MAX;
        struct step step = { .kind = kind_of(s), .destructive = s->destructive };

        if (step.kind != _STEP_KIND_MAX && numbers && address_parse(s->address, &step.address) == 0) {
                step.from = (unsigned) s->from;
                step.to = (unsigned) s->to;
                return step_describe(&step, buf, STEP_TEXT_MAX);
        }
        snprintf(buf, STEP_TEXT_MAX, "%s %s", s->kind, s->address);
        return buf;
}

static int add_pf(struct pf_names *n, json_t *v) {
        _cleanup_free_ char *caption = NULL;
        struct pf_record p = { 0 };

        if (record_pf(v, &p) < 0)
                return EXIT_FAILED;
        if (text_append(&caption, "%s%s%s%s%s%s", p.driver[0] ? p.driver : "no driver",
                        p.netdev[0] ? ", " : "", p.netdev, p.pool ? ", pool " : "", p.pool ? p.pool : "",
                        p.drained ? ", drained" : "") < 0)
                out_of_memory();
        put_text(n->pf_of, p.address, p.address);
        put_text(n->caption, p.address, caption);
        return 0;
}

static int add_vf(struct pf_names *n, json_t *v) {
        struct vf_record f = { 0 };

        if (record_vf(v, &f) < 0)
                return EXIT_FAILED;
        /* a whole function is its own PF */
        if (!json_object_get(n->pf_of, f.address))
                put_text(n->pf_of, f.address, f.pf);
        return 0;
}

static int load(struct client *c, const char *method, const char *key, struct pf_names *n,
                int (*add)(struct pf_names *n, json_t *v)) {
        _cleanup_json_ json_t *reply = NULL;
        json_t *list, *e;
        size_t i;
        int r = client_call(c, method, NULL, &reply);

        if (r != 0)
                return r;
        if (record_array(reply, key, &list) < 0)
                return EXIT_FAILED;
        json_array_foreach(list, i, e)
                if ((r = add(n, e)) != 0)
                        return r;
        return 0;
}

int pf_names_load(struct client *c, struct pf_names *ret) {
        *ret = (struct pf_names){ new_object(), new_object() };
        int r = load(c, "ListPFs", "pfs", ret, add_pf);

        return r != 0 ? r : load(c, "ListVFs", "vfs", ret, add_vf);
}

void pf_names_done(struct pf_names *n) {
        json_decref(n->pf_of);
        json_decref(n->caption);
}

const char *pf_names_of(const struct pf_names *n, const char *address) {
        const char *pf = json_string_value(json_object_get(n->pf_of, address));

        return pf ? pf : address;
}

const char *pf_names_caption(const struct pf_names *n, const char *pf) {
        const char *caption = json_string_value(json_object_get(n->caption, pf));

        return caption ? caption : "";
}
