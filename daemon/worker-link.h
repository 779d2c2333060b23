/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The daemon's end of the worker link: a small pool of workers, each with one operation at a time.
 *
 * Operations of one PF that the kernel serializes anyway (numvfs, bind, unbind) wait for each other here, in
 * the order they came; everything else runs side by side on as many workers as there are. An operation past
 * its deadline is answered with -ETIMEDOUT and its worker is abandoned: it is not waited for, and when it
 * comes back after all, on_return says so. While one of the same PF that has more time is under way, the
 * deadline of the others moves on: they may wait for it in the kernel. */

#include "daemon/worker-protocol.h"

#include <stdbool.h>
#include <systemd/sd-event.h>

struct worker_link;
struct worker_op;

/* Called exactly once for each operation; never from within worker_link_submit(). The reply's fds are in fds
 * and belong to the callee; unused entries are -1. */
typedef void (*worker_done)(const struct worker_reply *reply, int fds[WORKER_FDS_MAX], void *userdata);

struct worker_op {
        struct worker_request request;
        int fds[WORKER_FDS_MAX]; /* borrowed until the callback; -1 unused */
        struct address pf;       /* lane for serial operations, and what a hang is blamed on */
        bool serial;
        bool vf_scope;         /* a hang is blamed on the VF only, the PF's other work goes on */
        uint64_t timeout_usec; /* 0: the link's default */
        worker_done done;
        void *userdata;
};

struct worker_link_config {
        const char *socket;  /* AF_UNIX path of the socket unit, or */
        const char *program; /* program to start as worker, with root_path as --root */
        const char *root_path;
        unsigned workers_max;
        uint64_t timeout_usec;
        /* An abandoned worker has come back or ended: its operation is over now, whatever it did. */
        void (*on_return)(const struct worker_op *op, void *userdata);
        void *userdata;
};

int worker_link_new(sd_event *event, const struct worker_link_config *config, struct worker_link **ret);
struct worker_link *worker_link_free(struct worker_link *l);

/* Starts a worker now, so that it is there by the time there is something to do. */
void worker_link_warm(struct worker_link *l);

/* Queues a copy of the operation. 0 or -ENOMEM. */
int worker_link_submit(struct worker_link *l, const struct worker_op *op);

/* True if an abandoned worker is still at an operation whose hang is blamed on this PF as a whole. */
bool worker_link_hangs(const struct worker_link *l, struct address pf);

/* True if the reply says that the worker, not the device, was the trouble: worth another try. */
bool worker_reply_is_transient(const struct worker_reply *reply);

/* An operation without fds and values. */
struct worker_op worker_op_make(enum worker_op_code code, struct address target, struct address pf,
                                worker_done done, void *userdata);
