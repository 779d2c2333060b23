/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vfctl top: what VFs receive and send per second, again and again. */

#include "cli/client.h"
#include "cli/options.h"
#include "cli/statistics.h"
#include "cli/table.h"
#include "cli/terminal.h"
#include "cli/times.h"

#include <errno.h>
#include <string.h>

#define INTERVAL_MAX 3600U

/* What was seen at one time. */
struct look {
        json_t *reply; /* owns the strings */
        struct sample *samples;
        size_t n;
};

struct top {
        struct cli *cli;
        struct client client;
        enum row_by by;
        enum row_sort sort;
        uint64_t interval, count; /* seconds; 0: without end */
        bool live;                /* drawn on a terminal */
        struct look now, before;
        bool rated; /* a look was compared with the one before */
};

static void look_done(struct look *l) {
        json_decref(l->reply);
        free(l->samples);
        *l = (struct look){ 0 };
}

static void top_done(struct top *t) {
        client_done(&t->client);
        look_done(&t->now);
        look_done(&t->before);
}

static int read_look(json_t *reply_taken, struct look *ret) {
        json_t *list, *e;
        size_t i;

        *ret = (struct look){ .reply = reply_taken };
        if (record_array(reply_taken, "statistics", &list) < 0)
                return EXIT_FAILED;
        ret->n = json_array_size(list);
        ret->samples = calloc(ret->n + 1, sizeof(*ret->samples));
        if (!ret->samples)
                out_of_memory();
        json_array_foreach(list, i, e)
                if (statistics_read(e, ret->samples + i) < 0)
                        return EXIT_FAILED;
        return 0;
}

static void print_rates(struct table *t, const struct row *r) {
        const uint64_t *v = r->rate.value;
        const char *none = r->vf && r->vf->unknown ? "unknown" : "-";
        struct vf_counters bits = r->rate;
        char buf[32];

        for (unsigned i = COUNTER_RX_BYTES; i <= COUNTER_TX_BYTES; i++)
                bits.value[i] = v[i] > UINT64_MAX / 8 ? UINT64_MAX : v[i] * 8;
        table_add(t, r->rated ? format_rate(bits.value[COUNTER_RX_BYTES], buf) : none);
        table_add(t, r->rated ? format_rate(v[COUNTER_RX_PACKETS], buf) : none);
        table_add(t, r->rated ? format_rate(bits.value[COUNTER_TX_BYTES], buf) : none);
        table_add(t, r->rated ? format_rate(v[COUNTER_TX_PACKETS], buf) : none);
        table_add(t, r->rated ? format_rate(v[COUNTER_RX_DROPPED] + v[COUNTER_TX_DROPPED], buf) : none);
}

#define RATE_HEADERS ">RX BIT/S", ">RX PKT/S", ">TX BIT/S", ">TX PKT/S", ">DROP/S"

static void print_table(const struct top *t, const struct row *rows, size_t n) {
        static const char *const vf_headers[] = { "VF", "PF", "TENANT", "VM", RATE_HEADERS };
        static const char *const pf_headers[] = { "PF", ">VFS", ">UNKNOWN", RATE_HEADERS };
        static const char *const tenant_headers[] = { "TENANT", ">VFS", ">UNKNOWN", RATE_HEADERS };
        _cleanup_table_ struct table *table =
                        t->by == BY_VF ? table_new(vf_headers, ARRAY_SIZE(vf_headers))
                                       : table_new(t->by == BY_PF ? pf_headers : tenant_headers,
                                                   ARRAY_SIZE(pf_headers));

        FOREACH_ARRAY(r, rows, n) {
                table_add(table, r->name);
                if (r->vf) {
                        table_add(table, r->vf->pf);
                        table_add(table, r->vf->tenant);
                        table_add(table, r->vf->vm);
                } else {
                        table_addf(table, "%zu", r->n_vfs);
                        table_addf(table, "%zu", r->n_unknown);
                }
                print_rates(table, r);
        }
        table_print(table, !t->cli->no_legend, "No VFs of network functions.");
}

static void put_counters(json_t *o, const char *key, const struct vf_counters *c) {
        json_t *counters = c ? new_object() : json_null();

        for (unsigned i = 0; c && i < _COUNTER_MAX; i++)
                if (json_put(counters, vf_counter_name((enum vf_counter) i),
                             json_integer((json_int_t) MIN(c->value[i], (uint64_t) INT64_MAX))) < 0)
                        out_of_memory();
        if (json_put(o, key, counters) < 0)
                out_of_memory();
}

static void put_name(json_t *o, const char *key, const char *value) {
        if (json_put(o, key, json_string_or_null(value)) < 0)
                out_of_memory();
}

static void put_row(json_t *array, const struct row *r) {
        json_t *o = append_object(array);

        if (r->vf) {
                put_name(o, "address", r->name);
                put_name(o, "pf", r->vf->pf);
                put_name(o, "lease", r->vf->lease);
                put_name(o, "tenant", r->vf->tenant);
                put_name(o, "vm", r->vf->vm);
                put_name(o, "known", r->vf->counted ? "known" : r->vf->unknown ? "unknown" : "unsupported");
                put_counters(o, "counters", r->vf->counted ? &r->vf->counters : NULL);
        } else {
                put_name(o, "name", r->name);
                put_int(o, "vfs", (int64_t) r->n_vfs);
                put_int(o, "unknown", (int64_t) r->n_unknown);
        }
        put_counters(o, "rates", r->rated ? &r->rate : NULL);
}

static void print_object(const struct top *t, const struct row *rows, size_t n) {
        _cleanup_json_ json_t *o = new_object();
        struct timespec ts;

        clock_gettime(CLOCK_REALTIME, &ts);
        put_int(o, "time", (int64_t) ts.tv_sec * 1000000 + ts.tv_nsec / 1000);
        put_name(o, "by", row_by_to_string(t->by));
        json_t *array = put_array(o, "rows");
        FOREACH_ARRAY(r, rows, n)
                put_row(array, r);
        print_json(o);
}

static void print_live(const struct top *t, const struct row *rows, size_t n) {
        const size_t head = t->cli->no_legend ? 1 : 3, height = terminal_rows();
        size_t shown = MIN(n, height > head ? height - head : 0);

        terminal_clear();
        if (!t->cli->no_legend)
                printf("%s  %zu VFs, by %s, sorted by %s, every %llu s, q ends\n",
                       TIME_STR((int64_t) time(NULL) * 1000000), t->now.n, row_by_to_string(t->by),
                       row_sort_to_string(t->sort), (unsigned long long) t->interval);
        print_table(t, rows, shown);
}

/* 0, or an exit code. */
static int show(const struct top *t) {
        _cleanup_free_ struct row *rows = calloc(t->now.n + 1, sizeof(*rows));

        if (!rows)
                out_of_memory();
        size_t n = rates_rows(t->now.samples, t->now.n, t->by, rows);
        rates_sort(rows, n, t->sort);
        if (t->cli->json)
                print_object(t, rows, n);
        else if (t->live)
                print_live(t, rows, n);
        else
                print_table(t, rows, n);
        return fflush(stdout) != 0 && !terminal_stopped() ? EXIT_FAILED : 0;
}

/* Until the answer is there, or a time. HAPPENED_QUIT, or what else ended it. */
static enum happening wait_for(const struct top *t, int fd, uint64_t until) {
        enum happening h;

        while ((h = terminal_wait(fd, until)) == HAPPENED_RESIZE)
                if (t->live && t->now.reply && show(t) != 0)
                        return HAPPENED_QUIT;
        return h;
}

/* One look at all VFs. 0, an exit code, or OPTIONS_GO_ON: the user has seen enough. */
static int look_again(struct top *t) {
        _cleanup_json_ json_t *reply = NULL;
        bool more;
        int r = client_start(&t->client, "GetStatistics", NULL);

        if (r != 0)
                return r;
        if (wait_for(t, t->client.stream.fd, UINT64_MAX) == HAPPENED_QUIT)
                return OPTIONS_GO_ON;
        if ((r = client_next(&t->client, &reply, &more)) != 0)
                return r;
        look_done(&t->before);
        t->before = t->now;
        t->now = (struct look){ 0 };
        if ((r = read_look(TAKE_PTR(reply), &t->now)) != 0)
                return r;
        t->rated = t->before.reply != NULL;
        rates_update(t->now.samples, t->now.n, t->before.samples, t->before.n);
        return 0;
}

/* There are no rates before the second look: only a terminal, which would be empty, is shown the first. */
static int run(struct top *t) {
        uint64_t shown = 0, next = terminal_now();

        for (;;) {
                int r = look_again(t);

                if (r != 0)
                        return r == OPTIONS_GO_ON ? 0 : r;
                if ((t->rated || t->live) && (r = show(t)) != 0)
                        return r;
                if (t->rated && ++shown == t->count)
                        return 0;
                next = MAX(next + t->interval * 1000000, terminal_now());
                if (wait_for(t, -1, next) == HAPPENED_QUIT)
                        return 0;
                if (!t->cli->json && !t->live && t->rated)
                        putchar('\n');
        }
}

int verb_top(struct cli *cli, const struct verb *verb, int argc, char **argv) {
        _cleanup_(top_done) struct top t = { .cli = cli, .client = CLIENT_CLOSED, .interval = 1 };
        const char *by = NULL, *sort = NULL;
        bool once = false;
        const struct option options[] = {
                { "by", 0, "WHAT", "one line for each vf (default), pf or tenant", OPTION_TEXT, &by },
                { "sort", 0, "KEY", "total (default), rx, tx, packets, drops or name", OPTION_TEXT, &sort },
                { "interval", 0, "SECONDS", "time between two looks (1)", OPTION_NUMBER, &t.interval },
                { "count", 0, "N", "end after so many", OPTION_NUMBER, &t.count },
                { "once", 0, NULL, "same as --count 1", OPTION_FLAG, &once },
        };
        int r = options_parse(cli, verb, options, ARRAY_SIZE(options), false, &argc, argv);

        if (r != OPTIONS_GO_ON)
                return r;
        if (argc > 1)
                return usage_error(verb, "takes no arguments");
        if (by && (t.by = row_by_from_string(by)) == _BY_MAX)
                return usage_error(verb, "--by: '%s' is not vf, pf or tenant", by);
        if (sort && (t.sort = row_sort_from_string(sort)) == _SORT_MAX)
                return usage_error(verb, "--sort: '%s' is not total, rx, tx, packets, drops or name", sort);
        if (t.interval < 1 || t.interval > INTERVAL_MAX)
                return usage_error(verb, "--interval must be from 1 to %u", INTERVAL_MAX);
        if (once)
                t.count = 1;
        if ((r = client_open(&t.client, cli)) != 0)
                return r;
        t.live = !cli->json && terminal_can_draw();
        if (terminal_start(t.live) < 0)
                out_of_memory();
        r = run(&t);
        terminal_end();
        return r;
}
