/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The state of an NVMe controller in replies. */

#include "daemon/worker-nvme.h"
#include "common/macro.h"
#include "daemon/worker-memfd.h"

#include <errno.h>
#include <string.h>

#define CAN_ALL                                                                                              \
        (NVME_CAN_VIRTUALIZE | NVME_CAN_NAMESPACES | NVME_CAN_FORMAT | NVME_CAN_CRYPTO | NVME_FORMATS_ALL |  \
         NVME_HOST_USES)

/* They go through a file as they are: no bytes in between that nobody set. */
_Static_assert(sizeof(struct nvme_secondary) == 12, "padding");
_Static_assert(sizeof(struct nvme_namespace) == 32, "padding");
_Static_assert(sizeof(struct nvme_attachment) == 8, "padding");

int worker_nvme_seal(const struct nvme_state *state, int *ret_fd) {
        const struct nvme_primary *p = &state->primary;
        const struct iovec parts[] = {
                { (void *) p, sizeof(*p) },
                { state->secondaries, p->n_secondaries * sizeof(*state->secondaries) },
                { state->namespaces, p->n_namespaces * sizeof(*state->namespaces) },
                { state->attachments, p->n_attachments * sizeof(*state->attachments) },
        };

        int fd = sealed_write("nvme-state", parts, ARRAY_SIZE(parts));
        if (fd < 0)
                return fd;
        *ret_fd = fd;
        return 0;
}

/* What is to be shown must be text: a device may have anything in its name. */
static int take_string(char *s, size_t size) {
        if (!memchr(s, '\0', size))
                return -EPROTO;
        for (; *s; s++)
                if (*s < ' ' || *s > '~')
                        *s = '?';
        return 0;
}

static int take_primary(struct nvme_primary *p) {
        if ((p->can & ~CAN_ALL) || p->health_known > 1 || p->n_secondaries > NVME_SECONDARIES_MAX ||
            p->n_namespaces > NVME_NAMESPACES_MAX || p->n_attachments > NVME_ATTACHMENTS_MAX)
                return -EPROTO;
        if (take_string(p->model, sizeof(p->model)) < 0 || take_string(p->serial, sizeof(p->serial)) < 0 ||
            take_string(p->firmware, sizeof(p->firmware)) < 0)
                return -EPROTO;
        return 0;
}

/* One list out of the file; *offset moves on behind it. */
static int take_list(int fd, size_t *offset, size_t size, void *ret) {
        void *list = malloc(MAX(size, 1U));

        if (!list)
                return -ENOMEM;
        *(void **) ret = list;
        int r = sealed_read(fd, list, size, *offset);
        *offset += size;
        return r;
}

static int check_lists(const struct nvme_state *s) {
        const struct nvme_secondary *c = s->secondaries;
        const struct nvme_namespace *n = s->namespaces;
        const struct nvme_attachment *a = s->attachments;

        for (size_t i = 0; i < s->primary.n_secondaries; i++)
                if (c[i].online > 1 || (i > 0 && c[i].controller <= c[i - 1].controller))
                        return -EPROTO;
        for (size_t i = 0; i < s->primary.n_namespaces; i++)
                if (n[i].nsid == 0 || n[i].shared > 1 || (i > 0 && n[i].nsid <= n[i - 1].nsid))
                        return -EPROTO;
        for (size_t i = 0; i < s->primary.n_attachments; i++)
                if (a[i].nsid == 0 || (i > 0 && a[i].nsid < a[i - 1].nsid))
                        return -EPROTO;
        return 0;
}

static int take_all(int fd, struct nvme_state *s) {
        size_t size, offset = sizeof(s->primary);

        int r = sealed_size(fd, &size);
        if (r >= 0)
                r = sealed_read(fd, &s->primary, sizeof(s->primary), 0);
        if (r >= 0)
                r = take_primary(&s->primary);
        if (r < 0)
                return r;
        const struct nvme_primary *p = &s->primary;
        size_t secondaries = p->n_secondaries * sizeof(*s->secondaries),
               namespaces = p->n_namespaces * sizeof(*s->namespaces),
               attachments = p->n_attachments * sizeof(*s->attachments);
        if (size != offset + secondaries + namespaces + attachments)
                return -EPROTO;
        r = take_list(fd, &offset, secondaries, &s->secondaries);
        if (r >= 0)
                r = take_list(fd, &offset, namespaces, &s->namespaces);
        if (r >= 0)
                r = take_list(fd, &offset, attachments, &s->attachments);
        return r < 0 ? r : check_lists(s);
}

int worker_nvme_take(const struct worker_reply *reply, int fd, struct nvme_state *ret) {
        struct nvme_state s = { 0 };

        int r = reply->error < 0 ? reply->error : take_all(fd, &s);
        if (r < 0)
                nvme_state_done(&s);
        else
                *ret = s;
        return r;
}
