/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Counters of VFs of the fake tree. */

#include "simstats.h"
#include "common/macro.h"
#include "daemon/worker-stats.h"
#include "simfault.h"
#include "simvf.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

struct table {
        struct vf_statistics *list;
        bool *hidden;
        size_t n;
        char wrong[16];
};

static void read_line(char *line, struct table *t) {
        char *save = NULL, *word = strtok_r(line, " \n", &save);
        size_t index = word ? strtoul(word, NULL, 10) : SIZE_MAX;

        if (word && (word[0] < '0' || word[0] > '9'))
                snprintf(t->wrong, sizeof(t->wrong), "%s", word);
        else if (index < t->n)
                for (unsigned i = 0; i < _COUNTER_MAX && (word = strtok_r(NULL, " \n", &save)); i++) {
                        t->hidden[index] = word[0] == '-';
                        t->list[index].counters.value[i] = strtoull(word, NULL, 10);
                }
}

static void read_table(const struct sim *s, struct address pf, struct table *t) {
        int fd = openat(s->root, pathf("sim/pf/%s/statistics", ADDRESS_STR(pf)), O_RDONLY | O_CLOEXEC);
        _cleanup_fclose_ FILE *f = fd < 0 ? NULL : fdopen(fd, "r");
        _cleanup_free_ char *line = NULL;
        size_t size = 0;

        while (f && getline(&line, &size, f) > 0)
                read_line(line, t);
        size_t n = 0;
        for (size_t i = 0; i < t->n; i++) {
                t->list[n] = t->list[i];
                t->list[n].index = (uint32_t) i;
                n += !t->hidden[i];
        }
        t->n = n;
}

/* Breaks one of the things that a worker promises. */
static void break_reply(const struct table *t, struct worker_reply *p, int *fd) {
        size_t size = t->n * sizeof(*t->list);
        int ends[2];

        if (strcmp(t->wrong, "unsealed") == 0 || strcmp(t->wrong, "pipe") == 0 ||
            strcmp(t->wrong, "none") == 0)
                close_fd(fd);
        if (strcmp(t->wrong, "unsealed") == 0) {
                *fd = memfd_create("unsealed", MFD_CLOEXEC);
                if (write(*fd, t->list, size) != (ssize_t) size)
                        perror("simworker: memfd");
        } else if (strcmp(t->wrong, "pipe") == 0 && pipe2(ends, O_CLOEXEC) == 0) {
                *fd = ends[0];
                close(ends[1]);
        } else if (strcmp(t->wrong, "short") == 0)
                p->value[0] += 1;
        else if (strcmp(t->wrong, "long") == 0)
                p->value[0] = UINT32_MAX;
}

struct outcome sim_statistics(const struct sim *s, const struct worker_request *q, struct worker_reply *p,
                              int out[WORKER_FDS_MAX]) {
        size_t n = tree_number(s, pathf(DEVICE "/sriov_numvfs", ADDRESS_STR(q->address)), 0);
        _cleanup_free_ struct vf_statistics *list = calloc(n + 1, sizeof(*list));
        _cleanup_free_ bool *hidden = calloc(n + 1, sizeof(*hidden));
        struct table t = { .list = list, .hidden = hidden, .n = n };

        if (!list || !hidden)
                return FAIL_ERRNO(ENOMEM, "memory");
        read_table(s, q->address, &t);
        if (strcmp(t.wrong, "order") == 0 && t.n > 1)
                list[1].index = list[0].index;
        int r = worker_stats_seal(list, t.n, p, &out[0]);
        if (r < 0)
                return FAIL_ERRNO(-r, "statistics");
        p->value[1] = now_usec();
        if (t.wrong[0])
                break_reply(&t, p, &out[0]);
        return OK;
}
