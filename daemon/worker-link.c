/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A pool of workers, the queue in front of it, deadlines and abandoned workers. */

#include "daemon/worker-link.h"
#include "common/log.h"
#include "common/macro.h"
#include "daemon/worker-wire.h"

#include <errno.h>
#include <string.h>

#define GROW_USEC       20000ULL
#define GROW_AGAIN_USEC 1000000ULL           /* after a worker that did not start */
#define IDLE_USEC       (30ULL * 1000000ULL) /* a spare worker without work for this long is let go */

struct entry {
        struct entry *next;
        struct worker_op op;
};

struct queue {
        struct entry *first, **tail;
};

/* The serial operations of one PF: one at a time. Lanes are few (one a PF) and never removed. */
struct lane {
        struct lane *next;
        struct address pf;
        bool busy;
        struct queue waiting;
        uint64_t slow_ended; /* usec, monotonic: when an operation with more time than usual came back last */
};

struct worker {
        struct worker *next;
        struct worker_link *link;
        int fd;
        pid_t pid; /* 0 if systemd started it */
        sd_event_source *io, *deadline;
        struct entry *entry; /* its operation; of an abandoned worker the one that hangs, already answered */
        bool abandoned;
        uint64_t starting; /* when it was asked for, as long as it has not answered its first ping; else 0 */
};

struct worker_link {
        sd_event *event;
        struct worker_link_config config;
        struct queue ready; /* may run as soon as a worker is free */
        struct lane *lanes;
        struct worker *workers;
        unsigned n_workers; /* not counting abandoned ones */
        uint64_t next_id;
        uint64_t grow_usec; /* what a worker needs to start: not worth it for a queue that is gone by then */
        sd_event_source *kick; /* deferred: hand out work; answer what could not be sent */
        sd_event_source *grow; /* more workers, if the queue still stands then */
        sd_event_source *idle;
        bool connect_failed;
};

static void queue_put(struct queue *q, struct entry *e) {
        e->next = NULL;
        *q->tail = e;
        q->tail = &e->next;
}

static struct entry *queue_take(struct queue *q) {
        struct entry *e = q->first;

        if (e) {
                q->first = e->next;
                if (!q->first)
                        q->tail = &q->first;
        }
        return e;
}

struct worker_op worker_op_make(enum worker_op_code code, struct address target, struct address pf,
                                worker_done done, void *userdata) {
        return (struct worker_op){
                .request = { .version = WORKER_PROTOCOL_VERSION, .op = code, .address = target },
                .fds = { -1, -1 },
                .pf = pf,
                .done = done,
                .userdata = userdata,
        };
}

bool worker_reply_is_transient(const struct worker_reply *reply) {
        return reply->reason == 0 && (reply->error == -EPIPE || reply->error == -ECONNREFUSED ||
                                      reply->error == -EAGAIN || reply->error == -EMFILE);
}

static struct lane *lane_get(struct worker_link *l, struct address pf) {
        for (struct lane *i = l->lanes; i; i = i->next)
                if (address_equal(i->pf, pf))
                        return i;
        struct lane *lane = calloc(1, sizeof(*lane));
        if (!lane)
                return NULL;
        lane->pf = pf;
        lane->waiting.tail = &lane->waiting.first;
        lane->next = l->lanes;
        l->lanes = lane;
        return lane;
}

static void kick(struct worker_link *l) {
        sd_event_source_set_enabled(l->kick, SD_EVENT_ONESHOT);
}

int worker_link_submit(struct worker_link *l, const struct worker_op *op) {
        struct entry *e = calloc(1, sizeof(*e));

        if (!e)
                return -ENOMEM;
        e->op = *op;
        e->op.request.id = ++l->next_id;
        if (op->serial) {
                struct lane *lane = lane_get(l, op->pf);

                if (!lane) {
                        free(e);
                        return -ENOMEM;
                }
                if (lane->busy) {
                        queue_put(&lane->waiting, e);
                        return 0;
                }
                lane->busy = true;
        }
        queue_put(&l->ready, e);
        kick(l);
        return 0;
}

/* Ends an operation: the next one of its lane may run, then the callback (which may submit more). */
static void entry_done(struct worker_link *l, struct entry *e, const struct worker_reply *reply, int *fds) {
        int none[WORKER_FDS_MAX] = { -1, -1 };

        if (e->op.serial) {
                struct lane *lane = lane_get(l, e->op.pf); /* exists: it was made at submit */
                struct entry *next = lane ? queue_take(&lane->waiting) : NULL;

                if (next)
                        queue_put(&l->ready, next);
                else if (lane)
                        lane->busy = false;
        }
        kick(l);
        e->op.done(reply, fds ? fds : none, e->op.userdata);
}

static void entry_fail(struct worker_link *l, struct entry *e, int error, const char *detail) {
        struct worker_reply reply = { .version = WORKER_PROTOCOL_VERSION,
                                      .error = error,
                                      .id = e->op.request.id };

        snprintf(reply.detail, sizeof(reply.detail), "%s: %s", worker_op_name(e->op.request.op), detail);
        entry_done(l, e, &reply, NULL);
}

static void worker_unlink(struct worker *w) {
        for (struct worker **i = &w->link->workers; *i; i = &(*i)->next)
                if (*i == w) {
                        *i = w->next;
                        break;
                }
        if (!w->abandoned)
                w->link->n_workers--;
}

static void worker_free(struct worker *w) {
        sd_event_source_disable_unref(w->io);
        sd_event_source_disable_unref(w->deadline);
        close_fd(&w->fd);
        free(w->entry);
        free(w);
}

/* No worker starts: what waits for one is told so, as its callers know best whether to try again. */
static void fail_waiting(struct worker_link *l) {
        struct queue ready = l->ready;
        struct entry *e;

        if (!ready.first)
                return;
        l->ready = (struct queue){ .tail = &l->ready.first };
        while ((e = ready.first)) {
                ready.first = e->next;
                entry_fail(l, e, -ECONNREFUSED, "no worker can be reached");
                free(e);
        }
}

/* A worker that never worked. The others go on without it. */
static void worker_not_started(struct worker *w, const char *why) {
        struct worker_link *l = w->link;

        log_error("a worker did not start: %s", why);
        worker_unlink(w);
        worker_free(w);
        l->grow_usec = GROW_AGAIN_USEC;
        if (l->n_workers == 0)
                fail_waiting(l);
        else
                kick(l);
}

/* The worker's connection ended or spoke nonsense. */
static void worker_lost(struct worker *w, const char *why) {
        struct worker_link *l = w->link;
        struct entry *e = w->entry;
        bool abandoned = w->abandoned;

        w->entry = NULL;
        worker_unlink(w);
        worker_free(w);
        if (!e)
                return;
        if (abandoned) {
                if (l->config.on_return)
                        l->config.on_return(&e->op, l->config.userdata);
        } else {
                log_with(LOG_ERR, (&(struct log_fields){ .address = &e->op.request.address }),
                         "worker lost during %s: %s", worker_op_name(e->op.request.op), why);
                entry_fail(l, e, -EPIPE, "the worker ended");
        }
        free(e);
}

/* The PF hangs: whatever waits for it would hang too, each taking a worker with it. */
static void lane_cancel(struct worker_link *l, struct lane *lane) {
        struct queue waiting = lane->waiting;
        struct entry *e;

        if (!waiting.first)
                return;
        lane->waiting = (struct queue){ .tail = &lane->waiting.first };
        while ((e = waiting.first)) {
                waiting.first = e->next;
                e->op.serial = false;
                entry_fail(l, e, -ECANCELED, "the PF hangs");
                free(e);
        }
}

static uint64_t now_usec(struct worker_link *l) {
        uint64_t usec = 0;

        (void) sd_event_now(l->event, CLOCK_MONOTONIC, &usec);
        return usec;
}

static uint64_t patience(const struct worker_link *l, const struct worker_op *op) {
        return op->timeout_usec ? op->timeout_usec : l->config.timeout_usec;
}

/* A command to an NVMe controller that may take minutes, such as a format, makes others to the same
 * controller wait in the kernel: it holds scan_lock, and flushes the scan that follows
 * (drivers/nvme/host/core.c: nvme_passthru_start, nvme_passthru_end). Their time begins anew as long as an
 * operation of their PF with more time than theirs is under way, which its own deadline ends, and once more
 * when one has come back: that is progress, also for one with as much time. Not a longer time for all: with
 * nothing slow under way, what hangs is to be found soon. */
static bool waits_behind_slow(struct worker_link *l, const struct worker_op *op) {
        const struct lane *lane = op->vf_scope ? NULL : lane_get(l, op->pf);

        if (!lane)
                return false;
        for (struct worker *w = l->workers; w; w = w->next)
                if (w->entry && !w->abandoned && !w->entry->op.vf_scope &&
                    address_equal(w->entry->op.pf, op->pf) && patience(l, &w->entry->op) > patience(l, op))
                        return true;
        return lane->slow_ended > 0 && now_usec(l) - lane->slow_ended < patience(l, op);
}

static void note_slow(struct worker_link *l, const struct worker_op *op) {
        struct lane *lane = op->vf_scope || patience(l, op) <= l->config.timeout_usec ? NULL
                                                                                      : lane_get(l, op->pf);

        if (lane)
                lane->slow_ended = now_usec(l);
}

static int again_later(sd_event_source *s, uint64_t usec) {
        int r = sd_event_source_set_time_relative(s, usec);

        return r < 0 ? r : sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
}

static int on_deadline(sd_event_source *s, uint64_t usec, void *userdata) {
        struct worker *w = userdata;
        struct worker_link *l = w->link;

        if (w->starting) {
                worker_not_started(w, "no answer");
                return 0;
        }
        if (waits_behind_slow(l, &w->entry->op))
                return again_later(s, patience(l, &w->entry->op));
        /* It may be in an uninterruptible sleep, so killing is of no use; its own end of the socket tells
         * when it is over */
        if (!w->abandoned)
                l->n_workers--;
        w->abandoned = true;
        log_with(LOG_ERR, (&(struct log_fields){ .address = &w->entry->op.request.address }),
                 "%s does not return; its worker is abandoned", worker_op_name(w->entry->op.request.op));
        struct entry *e = calloc(1, sizeof(*e));
        if (!e) /* answered late rather than never: try again shortly */
                return again_later(s, 1000000);
        *e = *w->entry;
        w->entry->op.serial = false; /* the copy gives the lane back */
        if (e->op.serial && !e->op.vf_scope)
                lane_cancel(l, lane_get(l, e->op.pf));
        entry_fail(l, e, -ETIMEDOUT, "no answer from the kernel");
        free(e);
        return 0;
}

/* What came first from a new worker: the answer to its ping, or nothing good. */
static void worker_started(struct worker *w, int r, const struct worker_reply *reply,
                           int fds[WORKER_FDS_MAX]) {
        struct worker_link *l = w->link;

        for (unsigned i = 0; i < WORKER_FDS_MAX; i++)
                close_fd(&fds[i]);
        if (r <= 0) {
                worker_not_started(w, r == 0 ? "connection closed" : errno_text(r));
                return;
        }
        l->grow_usec = MAX(now_usec(l) - w->starting, GROW_USEC);
        w->starting = 0;
        w->deadline = sd_event_source_disable_unref(w->deadline);
        kick(l);
}

static int on_io(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        struct worker *w = userdata;
        struct worker_link *l = w->link;
        struct worker_reply reply = { 0 };
        int fds[WORKER_FDS_MAX] = { -1, -1 };

        int r = worker_receive(w->fd, &reply, fds);
        if (r == -EAGAIN || r == -EINTR)
                return 0;
        if (w->starting) {
                worker_started(w, r, &reply, fds);
                return 0;
        }
        if (r == 1 && (!w->entry || reply.id != w->entry->op.request.id))
                r = -EPROTO;
        if (r <= 0 || w->abandoned) {
                for (unsigned i = 0; i < WORKER_FDS_MAX; i++)
                        close_fd(&fds[i]);
                worker_lost(w, r == 0 ? "connection closed" : errno_text(r));
                kick(l);
                return 0;
        }
        struct entry *e = TAKE_PTR(w->entry);
        w->deadline = sd_event_source_disable_unref(w->deadline);
        if (reply.error < 0)
                log_with(LOG_DEBUG, (&(struct log_fields){ .address = &e->op.request.address }), "%s: %s: %s",
                         worker_op_name(e->op.request.op), reply.detail, errno_text(reply.error));
        if (reply.error == -ETIMEDOUT || reply.error == -ECANCELED)
                reply.error = -EIO; /* a driver that gave up; these two mean that no worker came back */
        note_slow(l, &e->op);
        entry_done(l, e, &reply, fds);
        free(e);
        return 0;
}

/* connect() succeeds long before systemd has started the worker: its answer to a ping says when it is there.
 * Until then no operation waits for it that another worker could do. */
static int worker_begin(struct worker *w) {
        struct worker_link *l = w->link;
        struct worker_op ping =
                        worker_op_make(WORKER_PING, (struct address){ 0 }, (struct address){ 0 }, NULL, NULL);

        w->fd = l->config.program ? worker_spawn(l->config.program, l->config.root_path, &w->pid)
                                  : worker_connect(l->config.socket);
        if (w->fd < 0)
                return w->fd;
        ping.request.id = ++l->next_id;
        int r = worker_send(w->fd, &ping.request, ping.fds);
        if (r >= 0)
                r = sd_event_add_io(l->event, &w->io, w->fd, EPOLLIN, on_io, w);
        if (r >= 0)
                r = sd_event_add_time_relative(l->event, &w->deadline, CLOCK_MONOTONIC,
                                               l->config.timeout_usec, 0, on_deadline, w);
        w->starting = MAX(now_usec(l), 1ULL);
        return r;
}

static struct worker *worker_new(struct worker_link *l) {
        struct worker *w = calloc(1, sizeof(*w));

        if (!w)
                return NULL;
        w->link = l;
        w->fd = -1;
        int r = worker_begin(w);
        if (r < 0) {
                if (!l->connect_failed)
                        log_error("cannot reach a worker at %s: %s",
                                  l->config.program ? l->config.program : l->config.socket, errno_text(r));
                l->connect_failed = true;
                worker_free(w);
                return NULL;
        }
        l->connect_failed = false;
        w->next = l->workers;
        l->workers = w;
        l->n_workers++;
        return w;
}

bool worker_link_hangs(const struct worker_link *l, struct address pf) {
        for (const struct worker *w = l->workers; w; w = w->next)
                if (w->abandoned && w->entry && !w->entry->op.vf_scope && address_equal(w->entry->op.pf, pf))
                        return true;
        return false;
}

static struct worker *worker_idle(struct worker_link *l) {
        for (struct worker *w = l->workers; w; w = w->next)
                if (!w->abandoned && !w->starting && !w->entry)
                        return w;
        return NULL;
}

/* Starting a worker costs more than most operations: only if the queue still stands after the time that it
 * takes there are more of them, and then quickly twice as many each time. */
static void grow_later(struct worker_link *l) {
        int enabled = SD_EVENT_OFF;

        sd_event_source_get_enabled(l->grow, &enabled);
        if (enabled != SD_EVENT_OFF || l->n_workers >= l->config.workers_max)
                return;
        sd_event_source_set_time_relative(l->grow, l->grow_usec);
        sd_event_source_set_enabled(l->grow, SD_EVENT_ONESHOT);
}

static int on_grow(sd_event_source *s, uint64_t usec, void *userdata) {
        struct worker_link *l = userdata;
        unsigned more = l->n_workers, waiting = 0;

        for (struct worker *w = l->workers; w; w = w->next)
                if (w->starting) { /* they may be enough */
                        kick(l);
                        return 0;
                }
        for (struct entry *e = l->ready.first; e && waiting < more; e = e->next)
                waiting++;
        while (waiting-- > 0 && l->n_workers < l->config.workers_max)
                if (!worker_new(l))
                        break;
        kick(l);
        return 0;
}

static int on_kick(sd_event_source *s, void *userdata) {
        struct worker_link *l = userdata;

        while (l->ready.first) {
                struct worker *w = worker_idle(l);

                if (!w && l->n_workers == 0 && !worker_new(l)) {
                        fail_waiting(l);
                        return 0;
                }
                if (!w) { /* all busy or starting: the next reply kicks again */
                        grow_later(l);
                        return 0;
                }
                struct entry *e = queue_take(&l->ready);
                w->entry = e;
                int r = worker_send(w->fd, &e->op.request, e->op.fds);
                if (r < 0) {
                        worker_lost(w, errno_text(r));
                        continue;
                }
                r = sd_event_add_time_relative(l->event, &w->deadline, CLOCK_MONOTONIC, patience(l, &e->op),
                                               0, on_deadline, w);
                if (r < 0)
                        log_error("cannot set a deadline: %s", errno_text(r));
        }
        sd_event_source_set_time_relative(l->idle, IDLE_USEC);
        sd_event_source_set_enabled(l->idle, SD_EVENT_ONESHOT);
        return 0;
}

/* Nothing to do for a while: keep one worker, let the others go. */
static int on_idle(sd_event_source *s, uint64_t usec, void *userdata) {
        struct worker_link *l = userdata;
        struct worker *next;
        bool kept = false;

        for (struct worker *w = l->workers; w; w = next) {
                next = w->next;
                if (w->entry || w->abandoned || w->starting)
                        continue;
                if (kept) {
                        worker_unlink(w);
                        worker_free(w);
                }
                kept = true;
        }
        return 0;
}

int worker_link_new(sd_event *event, const struct worker_link_config *config, struct worker_link **ret) {
        struct worker_link *l = calloc(1, sizeof(*l));

        if (!l)
                return -ENOMEM;
        l->event = sd_event_ref(event);
        l->config = *config;
        l->grow_usec = GROW_USEC;
        l->ready.tail = &l->ready.first;
        int r = sd_event_add_defer(event, &l->kick, on_kick, l);
        if (r >= 0)
                r = sd_event_source_set_enabled(l->kick, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_add_time_relative(event, &l->grow, CLOCK_MONOTONIC, 0, 1000, on_grow, l);
        if (r >= 0)
                r = sd_event_source_set_enabled(l->grow, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_add_time_relative(event, &l->idle, CLOCK_MONOTONIC, IDLE_USEC, 0, on_idle, l);
        if (r < 0) {
                worker_link_free(l);
                return r;
        }
        *ret = l;
        return 0;
}

void worker_link_warm(struct worker_link *l) {
        if (l->n_workers == 0)
                (void) worker_new(l); /* logs; the first operation tries again and says why not */
}

static void queue_free(struct queue *q) {
        struct entry *e;

        while ((e = queue_take(q)))
                free(e);
}

struct worker_link *worker_link_free(struct worker_link *l) {
        if (!l)
                return NULL;
        while (l->workers) {
                struct worker *w = l->workers;

                l->workers = w->next;
                worker_free(w);
        }
        while (l->lanes) {
                struct lane *lane = l->lanes;

                l->lanes = lane->next;
                queue_free(&lane->waiting);
                free(lane);
        }
        queue_free(&l->ready);
        sd_event_source_disable_unref(l->kick);
        sd_event_source_disable_unref(l->grow);
        sd_event_source_disable_unref(l->idle);
        sd_event_unref(l->event);
        free(l);
        return NULL;
}
