/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What a worker does for one request: check the target against sysfs, do the one operation, say how it went.
 * Keeps nothing.
 *
 * A VF may be touched if its physfn and the PF's virtfnN agree and the PF is under management, that is, if
 * its sriov_drivers_autoprobe is 0; WORKER_AUTOPROBE is how a PF comes under management. A whole function may
 * stand in the place of a VF if the request says so (value[3] is WORKER_WHOLE): it is an endpoint, no VF, has
 * none, and the host does not need it (sriov/function.h), or it has a VFIO driver already. Anything else is
 * -EPERM. */

#include "common/model.h"
#include "daemon/worker-protocol.h"

struct worker_context {
        int root_fd;
        pid_t client; /* the daemon: no holder of anything */
};

/* The target of a request, as sysfs shows it now. */
struct worker_subject {
        struct pf pf; /* address, autoprobe and whole only */
        struct vf vf; /* all facts, for requests about a VF */
};

/* 0 if the request may be done; *ret is filled. -EPROTO, -EINVAL, -ENODEV (the target is not there) or
 * -EPERM, with a text in *why that is valid until the next call. In worker-check.c. */
int worker_check(int root_fd, const struct worker_request *q, struct worker_subject *ret, const char **why);

/* What a refusal of worker_check() says to the daemon: the host needs the function, or somebody has switched
 * the PF's autoprobe on, which the daemon can switch off again. */
enum reason worker_check_reason(const struct worker_request *q, const struct worker_subject *s, int error);

/* Fills the whole reply. in: descriptors that came with the request, -1 unused, the caller's. out:
 * descriptors to send with the reply, -1 unused, the caller's to send and close. */
void worker_operate(const struct worker_context *c, const struct worker_request *q,
                    const int in[WORKER_FDS_MAX], struct worker_reply *p, int out[WORKER_FDS_MAX]);
