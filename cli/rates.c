/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From counters to rates, rows and their order. */

#include "cli/rates.h"
#include "common/macro.h"

#include <stdio.h>
#include <string.h>

static int compare_text(const char *a, const char *b) {
        return !a || !b ? (a != NULL) - (b != NULL) : strcmp(a, b);
}

static int compare_address(const void *a, const void *b) {
        const struct sample *const *x = a, *const *y = b;

        return compare_text((*x)->address, (*y)->address);
}

static uint64_t saturate(double v) {
        return v >= 18e18 ? UINT64_MAX : (uint64_t) (v + 0.5);
}

static void rate(struct sample *now, const struct sample *before) {
        if (!now->counted || !before->counted || compare_text(now->lease, before->lease) != 0)
                return;
        if (now->read == before->read) { /* the daemon keeps what it read for a moment */
                now->rated = before->rated;
                now->rate = before->rate;
                return;
        }
        if (now->read < before->read)
                return;
        for (unsigned i = 0; i < _COUNTER_MAX; i++) {
                if (now->counters.value[i] < before->counters.value[i])
                        return;
                now->rate.value[i] = saturate((double) (now->counters.value[i] - before->counters.value[i]) *
                                              1e6 / (double) (now->read - before->read));
        }
        now->rated = true;
}

void rates_update(struct sample *now, size_t n, const struct sample *before, size_t n_before) {
        _cleanup_free_ const struct sample **index = calloc(n_before + 1, sizeof(*index));

        if (!index)
                return; /* no rates this time */
        for (size_t i = 0; i < n_before; i++)
                index[i] = before + i;
        qsort(index, n_before, sizeof(*index), compare_address);
        FOREACH_ARRAY(s, now, n) {
                const struct sample *key = s;
                const struct sample **found = bsearch(&key, index, n_before, sizeof(*index), compare_address);

                if (found)
                        rate(s, *found);
        }
}

static void add(struct row *row, const struct sample *s) {
        row->n_vfs++;
        row->n_unknown += s->unknown;
        row->rated = row->rated || s->rated;
        for (unsigned i = 0; s->rated && i < _COUNTER_MAX; i++)
                if (__builtin_add_overflow(row->rate.value[i], s->rate.value[i], &row->rate.value[i]))
                        row->rate.value[i] = UINT64_MAX;
}

size_t rates_rows(const struct sample *samples, size_t n, enum row_by by, struct row *ret) {
        size_t n_rows = 0;

        FOREACH_ARRAY(s, samples, n) {
                const char *name = by == BY_VF ? s->address : by == BY_PF ? s->pf : s->tenant;
                struct row *row = ret;

                if (by == BY_VF)
                        row = ret + n_rows; /* each is its own */
                else
                        while (row < ret + n_rows && compare_text(row->name, name) != 0)
                                row++;
                if (row == ret + n_rows) {
                        *row = (struct row){ .name = name, .vf = by == BY_VF ? s : NULL };
                        n_rows++;
                }
                add(row, s);
        }
        return n_rows;
}

static double key_of(const struct row *row, enum row_sort sort) {
        const uint64_t *v = row->rate.value;

        switch (sort) {
        case SORT_TOTAL:
                return (double) v[COUNTER_RX_BYTES] + (double) v[COUNTER_TX_BYTES];
        case SORT_RX:
                return (double) v[COUNTER_RX_BYTES];
        case SORT_TX:
                return (double) v[COUNTER_TX_BYTES];
        case SORT_PACKETS:
                return (double) v[COUNTER_RX_PACKETS] + (double) v[COUNTER_TX_PACKETS];
        case SORT_DROPS:
                return (double) v[COUNTER_RX_DROPPED] + (double) v[COUNTER_TX_DROPPED];
        case SORT_NAME:
        case _SORT_MAX:
                break;
        }
        return 0;
}

static int compare_rows(const void *a, const void *b, void *sort) {
        const struct row *x = a, *y = b;
        double kx = key_of(x, *(enum row_sort *) sort), ky = key_of(y, *(enum row_sort *) sort);

        if (*(enum row_sort *) sort != SORT_NAME && x->rated != y->rated)
                return x->rated ? -1 : 1;
        return kx > ky ? -1 : kx < ky ? 1 : compare_text(x->name, y->name);
}

void rates_sort(struct row *rows, size_t n, enum row_sort sort) {
        qsort_r(rows, n, sizeof(*rows), compare_rows, &sort);
}

static const char *const by_names[_BY_MAX] = { "vf", "pf", "tenant" };
static const char *const sort_names[_SORT_MAX] = { "total", "rx", "tx", "packets", "drops", "name" };

static size_t find(const char *const *names, size_t n, const char *s) {
        size_t i = 0;

        while (i < n && strcmp(names[i], s) != 0)
                i++;
        return i;
}

const char *row_by_to_string(enum row_by by) {
        return by < _BY_MAX ? by_names[by] : "unknown";
}

enum row_by row_by_from_string(const char *s) {
        return (enum row_by) find(by_names, _BY_MAX, s);
}

const char *row_sort_to_string(enum row_sort sort) {
        return sort < _SORT_MAX ? sort_names[sort] : "unknown";
}

enum row_sort row_sort_from_string(const char *s) {
        return (enum row_sort) find(sort_names, _SORT_MAX, s);
}

const char *format_rate(uint64_t v, char buf[32]) {
        static const char units[] = "kMGTPE";
        double d = (double) v;
        size_t unit = 0;

        if (v < 1000) {
                snprintf(buf, 32, "%u", (unsigned) v);
                return buf;
        }
        for (d /= 1000; d >= 999.95 && unit + 2 < sizeof(units); d /= 1000)
                unit++;
        snprintf(buf, 32, "%.1f%c", d, units[unit]);
        return buf;
}
