/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vfctl policy check, policy explain: the policy's own code on files, without the daemon; or what the daemon
 * says of the policy that is in force. */

#include "cli/client.h"
#include "cli/options.h"
#include "cli/policy-files.h"
#include "cli/policy-warnings.h"
#include "cli/records.h"
#include "cli/table.h"
#include "common/text.h"
#include "policy/explain.h"

#include <errno.h>
#include <string.h>

static struct policy_error_record error_record(const struct policy_error *e) {
        return (struct policy_error_record){ .file = e->file ? e->file : "",
                                             .path = e->path ? e->path : "",
                                             .message = e->message,
                                             .line = e->at.line,
                                             .column = e->at.column };
}

/* A warning stands where its path is in the first file that has it. message: the caller frees. */
static struct policy_error_record warning_record(const struct policy_files *f,
                                                 const struct policy_warning *w) {
        struct policy_error_record rec = { .file = "", .path = w->path, .message = w->message };

        for (size_t i = 0; i < f->n && rec.line == 0; i++) {
                struct json_position at = json_locate(f->items[i].text, f->items[i].size, w->path, true);

                rec.file = at.line > 0 ? f->items[i].file : "";
                rec.line = at.line;
                rec.column = at.column;
        }
        return rec;
}

static void put_record(json_t *array, const struct policy_error_record *p) {
        json_t *item = append_object(array);

        put_text(item, "file", p->file);
        put_int(item, "line", p->line);
        put_int(item, "column", p->column);
        put_text(item, "path", p->path);
        put_text(item, "message", p->message);
}

static void print_errors(const struct policy_errors *errors) {
        for (size_t i = 0; i < errors->n; i++) {
                const struct policy_error_record p = error_record(errors->items + i);

                print_policy_error(stdout, "", &p);
        }
}

static void print_warnings(const struct policy_files *f, const struct policy_warnings *warnings) {
        for (size_t i = 0; i < warnings->n; i++) {
                struct policy_error_record p = warning_record(f, warnings->items + i);
                _cleanup_free_ char *message = NULL;

                if (text_append(&message, "warning: %s", p.message) < 0)
                        out_of_memory();
                p.message = message;
                print_policy_error(stdout, "", &p);
        }
}

static void print_result_json(const struct policy_files *f, const struct policy_errors *errors,
                              const struct policy_warnings *warnings) {
        _cleanup_json_ json_t *o = json_pack("{s:b}", "valid", errors->n == 0);

        if (!o)
                out_of_memory();
        json_t *list = put_array(o, "errors");
        for (size_t i = 0; i < errors->n; i++) {
                const struct policy_error_record p = error_record(errors->items + i);

                put_record(list, &p);
        }
        list = put_array(o, "warnings");
        for (size_t i = 0; i < warnings->n; i++) {
                const struct policy_error_record p = warning_record(f, warnings->items + i);

                put_record(list, &p);
        }
        print_json(o);
}

static int check(const struct cli *cli, const struct policy_files *f, bool strict) {
        _cleanup_(policy_freep) struct policy *p = NULL;
        _cleanup_(policy_errors_done) struct policy_errors errors = { 0 };
        _cleanup_(policy_warnings_done) struct policy_warnings warnings = { 0 };
        int r = policy_parse(f->items, f->n, &p, &errors);

        if (r == -ENOMEM)
                out_of_memory();
        if (r == 0)
                policy_warn(p, &warnings);
        if (cli->json)
                print_result_json(f, &errors, &warnings);
        else {
                print_errors(&errors);
                print_warnings(f, &warnings);
        }
        if (r < 0)
                return EXIT_FAILED;
        if (!cli->json && !cli->no_legend)
                printf("The policy is valid: %zu pool%s, %zu tenant%s.\n", p->n_pools,
                       p->n_pools == 1 ? "" : "s", p->n_tenants, p->n_tenants == 1 ? "" : "s");
        return strict && warnings.n > 0 ? EXIT_WARNINGS : 0;
}

static int print_explanations(const struct cli *cli, json_t *reply) {
        static const char *const headers[] = { "RULE", "VALUE", "WHY" };
        _cleanup_table_ struct table *t = table_new(headers, ARRAY_SIZE(headers));
        json_t *list, *v;
        size_t i;

        if (record_array(reply, "explanations", &list) < 0)
                return EXIT_FAILED;
        json_array_foreach(list, i, v) {
                struct explanation_record e = { 0 };

                if (record_explanation(v, &e) < 0)
                        return EXIT_FAILED;
                table_add(t, e.rule);
                table_add(t, e.value);
                table_add(t, e.why);
        }
        if (cli->json)
                print_json(reply);
        else
                table_print(t, !cli->no_legend, "There is nothing to say.");
        return 0;
}

/* The same reply as the daemon's, by the policy of files. */
static int explain_files(const struct policy_files *f, const char *tenant, const char *pool, json_t **ret) {
        _cleanup_(policy_freep) struct policy *p = NULL;
        _cleanup_(policy_errors_done) struct policy_errors errors = { 0 };
        _cleanup_(explanations_done) struct explanations e = { 0 };
        int r = policy_parse(f->items, f->n, &p, &errors);

        if (r == 0) {
                const struct world world = { .policy = p };

                r = explain(&world, tenant, pool, &e);
        }
        if (r == -ENOMEM)
                out_of_memory();
        if (r < 0) {
                print_errors(&errors);
                return EXIT_FAILED;
        }
        if (r > 0)
                return refuse(r == REASON_NO_SUCH_TENANT ? tenant : pool, (enum reason) r);
        *ret = new_object();
        json_t *list = put_array(*ret, "explanations");
        for (size_t i = 0; i < e.n; i++) {
                json_t *item = append_object(list);

                put_text(item, "rule", e.items[i].rule);
                put_text(item, "value", e.items[i].value);
                put_text(item, "why", e.items[i].why);
        }
        return 0;
}

static int explain_by_daemon(const struct cli *cli, const char *tenant, const char *pool, json_t **ret) {
        _cleanup_client_ struct client c = CLIENT_CLOSED;
        int r = client_open(&c, cli);

        if (r != 0)
                return r;
        json_t *parameters = new_object();
        put_text(parameters, "tenant", tenant);
        put_text(parameters, "pool", pool);
        return client_call(&c, "Explain", parameters, ret);
}

struct policy_options {
        const char *tenant, *pool;
        bool strict;
};

static int policy_check(const struct cli *cli, const struct verb *verb, const struct policy_options *o,
                        char **paths, size_t n) {
        _cleanup_(policy_files_done) struct policy_files f = { .n = 0 };

        if (o->tenant || o->pool)
                return usage_error(verb, "--tenant and --pool go with 'explain' only");
        int r = policy_files_read(&f, paths, n);
        return r != 0 ? r : check(cli, &f, o->strict);
}

static int policy_explain(const struct cli *cli, const struct verb *verb, const struct policy_options *o,
                          char **paths, size_t n) {
        _cleanup_(policy_files_done) struct policy_files f = { .n = 0 };
        _cleanup_json_ json_t *reply = NULL;
        int r;

        if (o->strict)
                return usage_error(verb, "--strict goes with 'check' only");
        if (!o->tenant || !o->pool)
                return usage_error(verb, "'explain' needs --%s", o->tenant ? "pool" : "tenant");
        if (!name_is_valid(o->tenant) || !name_is_valid(o->pool))
                return usage_error(verb, "'%s' is no name", name_is_valid(o->tenant) ? o->pool : o->tenant);
        if (n == 0)
                r = explain_by_daemon(cli, o->tenant, o->pool, &reply);
        else if ((r = policy_files_read(&f, paths, n)) == 0)
                r = explain_files(&f, o->tenant, o->pool, &reply);
        return r != 0 ? r : print_explanations(cli, reply);
}

int verb_policy(struct cli *cli, const struct verb *verb, int argc, char **argv) {
        struct policy_options o = { 0 };
        const struct option options[] = {
                { "strict", 0, NULL, "check: warnings end it with status 3", OPTION_FLAG, &o.strict },
                { "tenant", 0, "TENANT", "explain: who asks", OPTION_TEXT, &o.tenant },
                { "pool", 0, "POOL", "explain: of which pool", OPTION_TEXT, &o.pool },
        };
        int r = options_parse(cli, verb, options, ARRAY_SIZE(options), false, &argc, argv);

        if (r != OPTIONS_GO_ON)
                return r;
        if (argc >= 2 && strcmp(argv[1], "check") == 0)
                return policy_check(cli, verb, &o, argv + 2, (size_t) argc - 2);
        if (argc >= 2 && strcmp(argv[1], "explain") == 0)
                return policy_explain(cli, verb, &o, argv + 2, (size_t) argc - 2);
        return usage_error(verb, "what to do with it is 'check' or 'explain'");
}
