/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fences in systemd's file descriptor store. */

#include "daemon/fdstore.h"
#include "common/log.h"
#include "common/text.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <systemd/sd-daemon.h>

#define PREFIX       "fence-"
#define MSI          "-msi"
#define KMSG         "kmsg"
#define BARRIER_USEC (5ULL * 1000000ULL) /* a systemd that is busier than this: go on, the worker retries */

struct stored {
        struct address address;
        bool msi;
        int fd;
};

struct fdstore {
        sd_event *event;
        bool active; /* there is a notify socket */
        int kmsg;
        struct stored *found;
        size_t n_found;
        struct barrier *barriers;
};

struct barrier {
        struct fdstore *store;
        struct barrier *next;
        int fd; /* read end of a pipe whose write end systemd closes */
        sd_event_source *io, *timer;
        void (*done)(void *userdata);
        void *userdata;
};

/* A name may not hold ':' (sd_notify(3)), so the address is written with '_'. */
static void fd_name(struct address a, bool msi, char *buf, size_t size) {
        snprintf(buf, size, PREFIX "%s%s", ADDRESS_STR(a), msi ? MSI : "");
        for (char *p = buf; *p; p++)
                if (*p == ':')
                        *p = '_';
}

static int parse_fd_name(const char *name, struct stored *ret) {
        char buf[ADDRESS_STR_MAX + sizeof(MSI)];

        if (strncmp(name, PREFIX, strlen(PREFIX)) != 0 || !text_copy(buf, sizeof(buf), name + strlen(PREFIX)))
                return -EINVAL;
        for (char *p = buf; *p; p++)
                if (*p == '_')
                        *p = ':';
        char *msi = strstr(buf, MSI);
        ret->msi = msi && strcmp(msi, MSI) == 0;
        if (ret->msi)
                *msi = '\0';
        return address_parse(buf, &ret->address);
}

static int compare_stored(const void *a, const void *b) {
        const struct stored *x = a, *y = b;

        return address_compare(x->address, y->address);
}

int fdstore_new(sd_event *event, struct fdstore **ret) {
        struct fdstore *f = calloc(1, sizeof(*f));
        char **names = NULL;

        if (!f)
                return -ENOMEM;
        f->event = sd_event_ref(event);
        f->active = getenv("NOTIFY_SOCKET") != NULL;
        f->kmsg = -1;
        int n = sd_listen_fds_with_names(true, &names);
        if (n > 0)
                f->found = calloc((size_t) n, sizeof(*f->found));
        for (int i = 0; i < n; i++) {
                struct stored s = { .fd = SD_LISTEN_FDS_START + i };

                if (strcmp(names[i], KMSG) == 0 && f->kmsg < 0)
                        f->kmsg = s.fd;
                else if (!f->found || parse_fd_name(names[i], &s) < 0) {
                        log_warning("closing the unknown stored descriptor %s", names[i]);
                        close(s.fd);
                } else
                        f->found[f->n_found++] = s;
                free(names[i]);
        }
        free(names);
        if (f->n_found > 0)
                qsort(f->found, f->n_found, sizeof(*f->found), compare_stored);
        *ret = f;
        return 0;
}

int fdstore_take(struct fdstore *f, struct address a, bool *ret_msi) {
        struct stored key = { .address = a };
        struct stored *hit =
                        f->n_found ? bsearch(&key, f->found, f->n_found, sizeof(*f->found), compare_stored)
                                   : NULL;

        *ret_msi = hit && hit->msi;
        return hit ? TAKE_FD(hit->fd) : -1;
}

void fdstore_drop_rest(struct fdstore *f) {
        for (size_t i = 0; i < f->n_found; i++)
                if (f->found[i].fd >= 0) {
                        fdstore_remove(f, f->found[i].address, f->found[i].msi);
                        close_fd(&f->found[i].fd);
                }
        free(f->found);
        f->found = NULL;
        f->n_found = 0;
}

int fdstore_take_kmsg(struct fdstore *f) {
        return TAKE_FD(f->kmsg);
}

int fdstore_put_kmsg(struct fdstore *f, int fd) {
        if (!f->active)
                return 0;
        int r = sd_notify(false, "FDSTOREREMOVE=1\nFDNAME=" KMSG); /* one of an earlier time */
        if (r >= 0)
                r = sd_pid_notify_with_fds(0, false, "FDSTORE=1\nFDPOLL=0\nFDNAME=" KMSG, &fd, 1);
        return r < 0 ? r : 0;
}

int fdstore_put(struct fdstore *f, struct address a, bool msi, int fd) {
        char name[64], message[128];

        if (!f->active)
                return 0;
        fd_name(a, msi, name, sizeof(name));
        /* FDPOLL=0: the VFIO group and device files cannot be polled, and shall stay whatever they would say
         */
        snprintf(message, sizeof(message), "FDSTORE=1\nFDPOLL=0\nFDNAME=%s", name);
        int r = sd_pid_notify_with_fds(0, false, message, &fd, 1);
        if (r < 0)
                log_with(LOG_ERR, (&(struct log_fields){ .address = &a }), "cannot store its fence: %s",
                         errno_text(r));
        return r < 0 ? r : 0;
}

int fdstore_remove(struct fdstore *f, struct address a, bool msi) {
        char name[64];

        if (!f->active)
                return 0;
        fd_name(a, msi, name, sizeof(name));
        int r = sd_notifyf(false, "FDSTOREREMOVE=1\nFDNAME=%s", name);
        return r < 0 ? r : 0;
}

static void barrier_free(struct barrier *b) {
        for (struct barrier **i = &b->store->barriers; *i; i = &(*i)->next)
                if (*i == b) {
                        *i = b->next;
                        break;
                }
        sd_event_source_disable_unref(b->io);
        sd_event_source_disable_unref(b->timer);
        close_fd(&b->fd);
        free(b);
}

static void barrier_done(struct barrier *b) {
        void (*done)(void *) = b->done;
        void *userdata = b->userdata;

        barrier_free(b);
        done(userdata);
}

static int on_barrier(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        barrier_done(userdata);
        return 0;
}

static int on_barrier_timeout(sd_event_source *s, uint64_t usec, void *userdata) {
        struct barrier *b = userdata;

        if (b->fd >= 0)
                log_warning("systemd has not answered a barrier for 5 s");
        barrier_done(b);
        return 0;
}

int fdstore_barrier(struct fdstore *f, void (*done)(void *userdata), void *userdata) {
        struct barrier *b = calloc(1, sizeof(*b));
        int pipe_fds[2] = { -1, -1 };

        if (!b)
                return -ENOMEM;
        *b = (struct barrier){
                .store = f, .next = f->barriers, .fd = -1, .done = done, .userdata = userdata
        };
        f->barriers = b;
        int r = 0;
        if (f->active) {
                if (pipe2(pipe_fds, O_CLOEXEC) < 0)
                        r = -errno;
                b->fd = pipe_fds[0];
                _cleanup_close_ int theirs = pipe_fds[1];
                if (r >= 0)
                        r = sd_pid_notify_with_fds(0, false, "BARRIER=1", &theirs, 1);
                if (r >= 0)
                        r = sd_event_add_io(f->event, &b->io, b->fd, 0, on_barrier, b); /* EPOLLHUP */
        }
        if (r >= 0)
                r = sd_event_add_time_relative(f->event, &b->timer, CLOCK_MONOTONIC,
                                               f->active ? BARRIER_USEC : 0, 1, on_barrier_timeout, b);
        if (r < 0) {
                barrier_free(b);
                return r;
        }
        return 0;
}

struct fdstore *fdstore_free(struct fdstore *f) {
        if (!f)
                return NULL;
        while (f->barriers)
                barrier_free(f->barriers);
        for (size_t i = 0; i < f->n_found; i++)
                close_fd(&f->found[i].fd);
        free(f->found);
        sd_event_unref(f->event);
        free(f);
        return NULL;
}
