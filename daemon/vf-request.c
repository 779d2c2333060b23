/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When a function is unplugged or unbound the kernel waits until nobody has its VFIO device open, and an
 * iommufd fence is such an open device. It asks for it through an eventfd; the fence is dropped then. A fence
 * of a group and its container is no obstacle, and an owner's device is asked for through the eventfd of its
 * VMM. */

#include "daemon/pf.h"
#include "daemon/vf.h"

#include <errno.h>
#include <sys/eventfd.h>

bool vf_must_listen(const struct managed_vf *v) {
        return v->fence >= 0 && v->request < 0 && v->manager->inventory.fence == BACKEND_IOMMUFD;
}

void vf_stop_listening(struct managed_vf *v) {
        v->request_event = sd_event_source_disable_unref(v->request_event);
        close_fd(&v->request);
}

/* An operation under way needs the fence: the kernel asks again in 10 s. */
static int on_request(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        struct managed_vf *v = userdata;
        eventfd_t count;

        if (eventfd_read(fd, &count) < 0 || v->busy)
                return 0;
        log_with(LOG_NOTICE, (&(struct log_fields){ .address = &v->vf.address }),
                 "the kernel takes it away: its fence is dropped");
        vf_drop_fence(v);
        v->fresh = false;
        if (v->vf.state == VF_READY)
                vf_enter(v, VF_EVENT_SEEN_BOUND, REASON_NONE);
        pf_rescan_soon(managed_pf(v->vf.pf));
        return 0;
}

static void on_listening(const struct worker_reply *reply, int fds[WORKER_FDS_MAX], void *userdata) {
        struct managed_vf *v = userdata;

        if (vf_op_ended(v, reply, fds))
                return;
        if (reply->error == -EBADF) { /* kept by systemd from a time with another backend */
                vf_drop_fence(v);
                v->fresh = false;
        } else if (reply->error == -ENODEV || reply->error == -ENOENT) { /* it is being unbound just now */
                vf_drop_fence(v);
                v->fresh = false;
                pf_rescan_soon(managed_pf(v->vf.pf));
                vf_retry_later(v, REASON_FENCE_FAILED, v->detail);
                return;
        } else if (worker_reply_is_transient(reply)) {
                vf_stop_listening(v);
                if (v->vf.state != VF_QUARANTINED) {
                        vf_retry_later(v, REASON_NO_WORKER, v->detail);
                        return;
                }
        } else if (reply->error < 0)
                log_with(LOG_WARNING, (&(struct log_fields){ .address = &v->vf.address }),
                         "to unplug it will have to wait for this daemon: %s", reply->detail);
        vf_advance(v);
}

void vf_step_listen(struct managed_vf *v) {
        struct worker_op op = vf_op(v, WORKER_LISTEN, on_listening);

        v->request = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (v->request < 0 ||
            sd_event_add_io(v->manager->event, &v->request_event, v->request, EPOLLIN, on_request, v) < 0) {
                vf_stop_listening(v);
                vf_retry_later(v, REASON_NO_WORKER, "too many open files");
                return;
        }
        op.fds[0] = v->fence;
        op.fds[1] = v->request;
        vf_submit(v, &op);
}
