/* SPDX-License-Identifier: GPL-2.0-or-later */
/* GetController: a worker reads the controller anew for each call, so that what is shown is what is. */

#include "daemon/methods.h"
#include "daemon/nvme-json.h"
#include "daemon/nvme.h"

#include <errno.h>

struct controller_call {
        struct controller_call *next;
        struct manager *manager;
        struct connection *connection; /* NULL once the client went away */
        struct address pf;
};

static void on_cancel(void *userdata) {
        struct controller_call *call = userdata;

        call->connection = NULL;
}

static void call_remove(struct manager *m, struct controller_call *call) {
        for (struct controller_call **i = &m->controller_calls; *i; i = &(*i)->next)
                if (*i == call) {
                        *i = call->next;
                        break;
                }
        free(call);
}

void controller_calls_stop(struct manager *m) {
        while (m->controller_calls)
                call_remove(m, m->controller_calls);
}

static void on_state(const struct worker_reply *reply, int fds[WORKER_FDS_MAX], void *userdata) {
        struct controller_call call = *(struct controller_call *) userdata;
        struct pf *pf = inventory_find_pf(&call.manager->inventory, call.pf);
        struct connection *c = call.connection;

        call_remove(call.manager, userdata);
        int r = pf ? nvme_take(managed_pf(pf), reply, fds[0]) : -ENODEV;

        for (unsigned i = 0; i < WORKER_FDS_MAX; i++)
                close_fd(&fds[i]);
        if (!c)
                return;
        if (!pf)
                connection_refuse(c, REASON_NO_SUCH_DEVICE, ADDRESS_STR(call.pf));
        else if (r < 0)
                connection_refuse(c,
                                  reply->reason && reply->reason < _REASON_MAX ? (enum reason) reply->reason
                                                                               : REASON_NVME_FAILED,
                                  reply->detail);
        else
                connection_reply(c, json_pack("{s:o}", "controller", controller_json(managed_pf(pf))));
}

/* Of the PF, or of the PF of a VF. NULL: none of an NVMe controller. */
static const struct pf *find(struct manager *m, struct address a) {
        const struct managed_vf *v = manager_find_vf(m, a);
        const struct pf *pf = v ? v->vf.pf : inventory_find_pf(&m->inventory, a);

        return pf && nvme_is(pf) ? pf : NULL;
}

void method_get_controller(struct connection *c, json_t *parameters) {
        const char *text = NULL;
        const struct json_field fields[] = { { "address", JSON_KIND_STRING, true, &text } };
        struct address a;

        if (!method_parameters(c, parameters, fields, ARRAY_SIZE(fields)))
                return;
        if (address_parse(text, &a) < 0) {
                method_invalid(c, "address");
                return;
        }
        const struct pf *pf = find(c->manager, a);
        if (!pf) {
                connection_refuse(c, REASON_NO_SUCH_DEVICE, text);
                return;
        }
        struct controller_call *call = malloc(sizeof(*call));
        struct worker_op op = worker_op_make(WORKER_NVME_STATE, pf->address, pf->address, on_state, call);
        op.vf_scope = true; /* whoever only looks stops nobody's work */
        if (call)
                *call = (struct controller_call){ .manager = c->manager, .connection = c, .pf = pf->address };
        if (!call || pf->stuck || worker_link_submit(c->manager->link, &op) < 0) {
                free(call);
                connection_refuse(c, pf->stuck ? REASON_STUCK : REASON_LIMIT, text);
                return;
        }
        call->next = c->manager->controller_calls;
        c->manager->controller_calls = call;
        connection_suspend(c, on_cancel, call);
}
