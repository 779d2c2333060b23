/* SPDX-License-Identifier: GPL-2.0-or-later */
/* IOMMU faults. What is not in the log proves nothing: VT-d's messages are limited for all devices together.
 */

#include "daemon/faults.h"
#include "common/message-id.h"
#include "common/root.h"
#include "common/text.h"
#include "daemon/events.h"
#include "daemon/fdstore.h"
#include "daemon/lease.h"
#include "daemon/pf.h"
#include "daemon/quarantine.h"
#include "iommu/faultlog.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define RECORD_MAX  8192 /* CONSOLE_EXT_LOG_MAX of the kernel: a read of less is refused */
#define RECORDS_MAX 64   /* for one turn of the loop */
#define RETRY_USEC  (5ULL * 1000000ULL)
#define LOST_USEC   (60ULL * 1000000ULL) /* what is lost is told at once, and then not more often */

struct faults {
        struct manager *manager;
        int kmsg;
        sd_event_source *io, *retry, *lost;
        uint64_t lost_told;
        bool said;
        struct faultlog log;
};

/* Any function counts, not only ours. The kernel limits these lines, so a walk for each is cheap. */
static bool exists_in_several_domains(struct manager *m, struct address requester) {
        _cleanup_closedir_ DIR *d = root_opendir(m->root_fd, "sys/bus/pci/devices");
        struct dirent *e;
        unsigned n = 0;

        while (d && (e = readdir(d))) {
                struct address a;

                n += address_parse(e->d_name, &a) >= 0 && a.bus == requester.bus &&
                     a.device == requester.device && a.function == requester.function;
        }
        return !d || n > 1;
}

/* VT-d prints no PCI domain, and streams have none. The VF, if there is just one with this bus, device and
 * function. */
static struct managed_vf *find_requester(struct manager *m, const struct fault *f, bool *ambiguous) {
        struct managed_vf *found = NULL;
        uint32_t tried = UINT32_MAX;

        *ambiguous = false;
        if (!f->has_requester)
                return NULL;
        if (f->has_domain)
                return manager_find_vf(m, f->requester);
        for (size_t i = 0; i < m->inventory.n_pfs;
             i++) { /* sorted by address: a domain's PFs come together */
                struct address a = f->requester;

                a.domain = m->inventory.pfs[i]->address.domain;
                struct managed_vf *v = a.domain != tried ? manager_find_vf(m, a) : NULL;
                tried = a.domain;
                found = v ? v : found;
        }
        *ambiguous = found && exists_in_several_domains(m, f->requester);
        return *ambiguous ? NULL : found;
}

static void obey_rule(struct managed_vf *v, const struct fault *f) {
        const struct policy *p = v->manager->policy;
        char detail[160];

        if (!p || p->dma_faults.limit == 0)
                return;
        uint32_t n = fault_window_add(&v->fault_window, &p->dma_faults, f->usec);
        if (v->condemned != REASON_NONE) {
                vf_cut_off(v); /* it does it again */
                return;
        }
        if (!fault_rule_hit(&p->dma_faults, n) || v->vf.state == VF_QUARANTINED)
                return;
        snprintf(detail, sizeof(detail), "%u within %u s, the last: %s", n, p->dma_faults.seconds, f->text);
        switch (p->dma_faults.action) {
        case FAULT_ACTION_QUARANTINE:
                vf_condemn(v, REASON_DMA_FAULTS, detail); /* not a managed VF: nothing to take out of use */
                break;
        case FAULT_ACTION_LOG:
        case _FAULT_ACTION_MAX:
                log_with(LOG_WARNING, (&(struct log_fields){ .address = &v->vf.address }),
                         "too many DMA faults: %s", detail);
                memset(&v->fault_window, 0, sizeof(v->fault_window)); /* say it again after as many */
                break;
        }
}

/* Stable, for programs. */
static const char *kind_name(enum fault_kind k) {
        static const char *const names[_FAULT_KIND_MAX] = { "read", "write", "interrupt", "other" };

        return names[k];
}

/* Nobody is blamed, but it is told: whoever watches must know that faults are more than those of VFs. */
static void tell_stranger(struct manager *m, const struct fault *f, bool ambiguous) {
        const struct address *a = f->has_domain ? &f->requester : NULL;
        const char *full = ADDRESS_STR(f->requester);
        char message[FAULT_TEXT_MAX + 80];

        snprintf(message, sizeof(message), "%s%s: %s",
                 !f->has_requester ? "an unknown function"
                 : a               ? full
                                   : strchr(full, ':') + 1,
                 ambiguous          ? ", which exists in several PCI domains"
                 : f->has_requester ? ", which is no VF of ours"
                                    : "",
                 f->text);
        log_with(LOG_NOTICE, (&(struct log_fields){ .message_id = MESSAGE_ID_STRANGER }),
                 "the IOMMU stopped %s of %s", fault_kind_to_string(f->kind), message);
        events_function(m, a, "fault", kind_name(f->kind), message);
}

/* The administrator says that the streams of this machine are numbered so. */
static void read_stream(const struct policy *p, struct fault *f) {
        if (!f->has_requester && p && p->streams == STREAMS_REQUESTER_ID)
                f->has_requester = fault_stream_as_function(f, &f->requester);
}

static void on_fault(struct manager *m, const struct fault *f) {
        bool ambiguous;
        struct managed_vf *v = find_requester(m, f, &ambiguous);

        if (!v) {
                tell_stranger(m, f, ambiguous);
                return;
        }
        const struct lease *l = lease_of_vf(v);
        v->n_faults++;
        text_copy(v->last_fault, sizeof(v->last_fault), f->text);
        log_with(LOG_WARNING,
                 (&(struct log_fields){ .address = &v->vf.address,
                                        .tenant = l ? l->tenant : NULL,
                                        .vm = l ? l->vm : NULL,
                                        .lease = l ? l->id : NULL,
                                        .message_id = MESSAGE_ID_FAULT }),
                 "the IOMMU stopped %s while %s%s%s%s%s: %s", fault_kind_to_string(f->kind),
                 vf_state_to_string(v->vf.state), l ? " by " : "", l ? l->tenant : "", l ? "/" : "",
                 l ? l->vm : "", f->text);
        events_device(m, v, "fault", kind_name(f->kind), f->text);
        obey_rule(v, f);
}

/* Limited by the kernel, or overwritten before it was read; of these nobody knows what they told of. */
static void tell_lost(struct faults *w) {
        uint64_t more = w->log.lost - w->lost_told;
        char message[128];

        if (more == 0)
                return;
        w->lost_told = w->log.lost;
        snprintf(message, sizeof(message),
                 "%llu messages or more that may have told of DMA faults; those of VFs may not all be counted",
                 (unsigned long long) more);
        log_with(LOG_WARNING, (&(struct log_fields){ .message_id = MESSAGE_ID_LOST }),
                 "the kernel log lacks %s", message);
        events_function(w->manager, NULL, "fault", "lost", message);
        sd_event_source_set_time_relative(w->lost, LOST_USEC);
        sd_event_source_set_enabled(w->lost, SD_EVENT_ONESHOT);
}

static int on_lost(sd_event_source *s, uint64_t usec, void *userdata) {
        tell_lost(userdata); /* what has come since; nothing: the next is told at once again */
        return 0;
}

static void note_lost(struct faults *w) {
        int enabled = SD_EVENT_OFF;

        sd_event_source_get_enabled(w->lost, &enabled);
        if (enabled == SD_EVENT_OFF)
                tell_lost(w);
}

uint64_t faults_lost(const struct manager *m) {
        return m->faults ? m->faults->log.lost : 0;
}

static void take_record(struct faults *w, const char *data, size_t n) {
        struct kmsg_record record;
        struct fault f;

        if (kmsg_parse(data, n, &record) < 0)
                return;
        if (faultlog_feed(&w->log, &record, &f)) {
                read_stream(w->manager->policy, &f);
                on_fault(w->manager, &f);
        }
        note_lost(w);
}

static void lose_log(struct faults *w, int error) {
        if (!w->said)
                log_error("the kernel log cannot be read, so DMA faults are not seen: %s", errno_text(error));
        w->said = true;
        w->io = sd_event_source_disable_unref(w->io);
        close_fd(&w->kmsg);
        sd_event_source_set_time_relative(w->retry, RETRY_USEC);
        sd_event_source_set_enabled(w->retry, SD_EVENT_ONESHOT);
}

static int on_kmsg(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        struct faults *w = userdata;
        char record[RECORD_MAX];

        for (unsigned i = 0; i < RECORDS_MAX; i++) {
                ssize_t n = read(fd, record, sizeof(record));

                if (n > 0)
                        take_record(w, record, (size_t) n);
                else if (n < 0 &&
                         errno == EPIPE) { /* overwritten before it was read: kernel/printk/printk.c */
                        faultlog_reset(&w->log);
                        w->log.lost++;
                        note_lost(w);
                } else if (n < 0 && (errno == EAGAIN || errno == EINTR))
                        return 0;
                else {
                        lose_log(w, n < 0 ? -errno : -EIO);
                        return 0;
                }
        }
        return 0;
}

static void listen_to(struct faults *w, int fd_taken, bool stored) {
        close_fd(&w->kmsg);
        w->kmsg = fd_taken;
        faultlog_reset(&w->log);
        int r = sd_event_add_io(w->manager->event, &w->io, w->kmsg, EPOLLIN, on_kmsg, w);
        if (r < 0) {
                lose_log(w, r);
                return;
        }
        w->said = false;
        if (!stored)
                fdstore_put_kmsg(w->manager->fdstore, w->kmsg);
}

static bool is_kmsg(int fd) {
        struct stat st;

        return fstat(fd, &st) >= 0 && S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 11);
}

/* systemd opens it for us as standard input: the kernel checks only at open whether a process may read its
 * log (kernel/printk/printk.c:devkmsg_open). Without systemd it is opened here, which root may always do. */
static int open_kmsg(struct manager *m) {
        _cleanup_close_ int fd = is_kmsg(STDIN_FILENO)
                                                 ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
                                                 : root_openf(m->root_fd, O_RDONLY | O_NONBLOCK, "dev/kmsg");

        if (fd < 0)
                return is_kmsg(STDIN_FILENO) ? -errno : fd;
        int flags = fcntl(fd, F_GETFL);
        if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
                return -errno;
        if (lseek(fd, 0, SEEK_END) < 0 && errno != ESPIPE)
                return -errno;
        return TAKE_FD(fd);
}

static int on_retry(sd_event_source *s, uint64_t usec, void *userdata) {
        struct faults *w = userdata;
        int fd = open_kmsg(w->manager);

        if (fd < 0)
                lose_log(w, fd);
        else
                listen_to(w, fd, false);
        return 0;
}

int faults_start(struct manager *m) {
        struct faults *w = calloc(1, sizeof(*w));

        if (!w)
                return -ENOMEM;
        m->faults = w;
        w->manager = m;
        w->kmsg = -1;
        faultlog_reset(&w->log);
        int r = sd_event_add_time_relative(m->event, &w->retry, CLOCK_MONOTONIC, 0, 0, on_retry, w);
        if (r >= 0)
                r = sd_event_add_time_relative(m->event, &w->lost, CLOCK_MONOTONIC, LOST_USEC, 0, on_lost, w);
        if (r >= 0)
                r = sd_event_source_set_enabled(w->lost, SD_EVENT_OFF);
        if (r < 0)
                return r;
        int fd = fdstore_take_kmsg(m->fdstore);
        if (fd >= 0) {
                sd_event_source_set_enabled(w->retry, SD_EVENT_OFF);
                listen_to(w, fd, true);
        }
        return 0;
}

void faults_stop(struct manager *m) {
        struct faults *w = m->faults;

        m->faults = NULL;
        if (!w)
                return;
        sd_event_source_disable_unref(w->io);
        sd_event_source_disable_unref(w->retry);
        sd_event_source_disable_unref(w->lost);
        close_fd(&w->kmsg);
        free(w);
}
