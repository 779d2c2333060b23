/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Faults on demand and the record of what was done. */

#include "simfault.h"
#include "common/macro.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <time.h>

#define FAULTS_MAX 65536

static int errno_from_name(const char *name) {
        for (int e = 1; e < 134; e++) {
                const char *n = strerrorname_np(e);

                if (n && strcmp(n, name) == 0)
                        return e;
        }
        fprintf(stderr, "simworker: unknown error %s\n", name);
        return EIO;
}

static enum fault_when when_from_name(const char *name) {
        return strcmp(name, "before") == 0 || strcmp(name, "1") == 0 ? FAULT_BEFORE
               : strcmp(name, "during") == 0                         ? FAULT_DURING
                                                                     : FAULT_AFTER;
}

struct line {
        bool hit;
        unsigned long after, count; /* count 0: for ever */
};

/* One word of a line. What it does not know it reports: a fault that never hits makes a test that never
 * fails. */
static void parse_word(const char *key, const char *v, const struct worker_request *q, struct line *l,
                       struct fault *f) {
        unsigned long n = strtoul(v, NULL, 0);

        if (strcmp(key, "op") == 0)
                l->hit = l->hit && fnmatch(v, worker_op_name(q->op), 0) == 0;
        else if (strcmp(key, "address") == 0)
                l->hit = l->hit && fnmatch(v, ADDRESS_STR(q->address), 0) == 0;
        else if (strcmp(key, "value") == 0)
                l->hit = l->hit && q->value[0] == n;
        else if (strcmp(key, "after") == 0)
                l->after = n;
        else if (strcmp(key, "count") == 0)
                l->count = n;
        else if (strcmp(key, "error") == 0)
                f->error = errno_from_name(v);
        else if (strcmp(key, "reason") == 0)
                f->reason = reason_from_name(v);
        else if (strcmp(key, "detail") == 0)
                snprintf(f->detail, sizeof(f->detail), "%s", v);
        else if (strcmp(key, "reply") == 0) {
                f->replies = true;
                f->reply = n;
        } else if (strcmp(key, "delay") == 0)
                f->delay_ms = (unsigned) n;
        else if (strcmp(key, "delay-after") == 0)
                f->delay_after_ms = (unsigned) n;
        else if (strcmp(key, "exit") == 0)
                f->exit = when_from_name(v);
        else if (strcmp(key, "die") == 0)
                f->die = when_from_name(v);
        else if (strcmp(key, "late") == 0 || strcmp(key, "hang") == 0 || strcmp(key, "silent") == 0 ||
                 strcmp(key, "short") == 0 || strcmp(key, "badid") == 0)
                *(key[0] == 'l'   ? &f->late
                  : key[0] == 'h' ? &f->hang
                  : key[1] == 'i' ? &f->silent
                  : key[0] == 's' ? &f->cut
                                  : &f->badid) = n != 0;
        else
                fprintf(stderr, "simworker: unknown word %s in sim/faults\n", key);
}

/* Copies a line to out, with its counters as they are after a hit, or leaves it out if it is used up. */
static bool take_line(char *text, const struct worker_request *q, FILE *out, struct fault *ret) {
        _cleanup_free_ char *copy = strdup(text);
        struct line l = { .hit = true };
        struct fault f = { 0 };
        char *save = NULL;

        for (char *w = copy ? strtok_r(copy, " ", &save) : NULL; w; w = strtok_r(NULL, " ", &save)) {
                char *v = strchr(w, '=');

                if (v)
                        *v++ = '\0';
                parse_word(w, v ? v : "1", q, &l, &f);
        }
        if (!l.hit || (l.after == 0 && l.count == 0)) {
                fprintf(out, "%s\n", text);
        } else if (l.after > 0 || l.count > 1) {
                for (char *w = strtok_r(text, " ", &save); w; w = strtok_r(NULL, " ", &save))
                        if (strncmp(w, "after=", 6) != 0 && strncmp(w, "count=", 6) != 0)
                                fprintf(out, "%s ", w);
                if (l.after > 0)
                        fprintf(out, "after=%lu ", l.after - 1);
                if (l.count > 0)
                        fprintf(out, "count=%lu", l.count - (l.after == 0));
                fputc('\n', out);
        }
        if (!l.hit || l.after > 0)
                return false;
        *ret = f;
        return true;
}

bool fault_take(const struct sim *s, const struct worker_request *q, struct fault *ret) {
        if (!tree_exists(s, "sim/faults"))
                return false;
        _cleanup_close_ int lock = openat(s->root, "sim/faults.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0666);
        if (lock < 0 || flock(lock, LOCK_EX) < 0)
                return false;
        int fd = openat(s->root, "sim/faults", O_RDONLY | O_CLOEXEC);
        _cleanup_fclose_ FILE *in = fd < 0 ? NULL : fdopen(fd, "r");
        char text[FAULTS_MAX] = "";
        _cleanup_fclose_ FILE *out = fmemopen(text, sizeof(text), "w");
        _cleanup_free_ char *line = NULL;
        size_t size = 0;
        bool hit = false;

        while (in && out && getline(&line, &size, in) > 0) {
                line[strcspn(line, "\n")] = '\0';
                if (hit || line[0] == '#' || line[0] == '\0')
                        fprintf(out, "%s\n", line);
                else
                        hit = take_line(line, q, out, ret);
        }
        if (!out || fflush(out) != 0)
                return false;
        if (text[0] == '\0')
                unlinkat(s->root, "sim/faults", 0); /* as fast as before */
        else
                tree_write(s, "sim/faults", text, 0666);
        return hit;
}

/* True if this step is the one that the file counts down to. */
static bool count_down(const struct sim *s, const char *file) {
        uint64_t n = tree_number(s, file, 0);

        if (n > 1)
                tree_write(s, file, pathf("%llu\n", (unsigned long long) n - 1), 0666);
        else if (n == 1)
                unlinkat(s->root, file, 0);
        return n == 1;
}

void fault_between(const struct sim *s, const char *what) {
        if (count_down(s, pathf("sim/exit_at_%s", what)))
                _exit(1);
        if (!count_down(s, pathf("sim/die_at_%s", what)))
                return;
        if (s->daemon > 1 && getppid() == s->daemon)
                kill(s->daemon, SIGKILL);
        if (tree_exists(s, "sim/worker_dies"))
                _exit(1);
}

static int record_fd = -1;
static atomic_ulong *record_seq;

int record_open(const struct sim *s) {
        _cleanup_close_ int fd = openat(s->root, "sim/seq", O_RDWR | O_CREAT | O_CLOEXEC, 0666);

        record_fd = openat(s->root, "sim/log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
        if (fd < 0 || record_fd < 0 || ftruncate(fd, sizeof(*record_seq)) < 0)
                return -errno;
        record_seq = mmap(NULL, sizeof(*record_seq), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        return record_seq == MAP_FAILED ? -errno : 0;
}

uint64_t now_usec(void) {
        struct timespec ts;

        clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t) ts.tv_sec * 1000000 + (uint64_t) ts.tv_nsec / 1000;
}

static void record_line(const char *text) {
        const char *line = pathf("%lu %s\n", atomic_fetch_add(record_seq, 1), text);

        if (write(record_fd, line, strlen(line)) < 0)
                perror("simworker: sim/log");
}

void record_fault(const struct worker_request *q) {
        record_line(pathf("! %s %s", worker_op_name(q->op), ADDRESS_STR(q->address)));
}

void record_done(const struct worker_request *q, const struct worker_reply *p, uint64_t began_usec) {
        record_line(pathf("%s %s %llu = %s from=%llu to=%llu pid=%d text=%s", worker_op_name(q->op),
                          ADDRESS_STR(q->address), (unsigned long long) q->value[0],
                          p->error < 0 ? strerrorname_np(-p->error) : "0", (unsigned long long) began_usec,
                          (unsigned long long) now_usec(), (int) getpid(), q->text));
}
