/* SPDX-License-Identifier: GPL-2.0-or-later */
/* policy-check --keys: the keys of each object of a policy file, as the parser has them: the name of the
 * object's definition in the schema, then its keys.
 * policy-check --each: reads one policy a line; prints the errors of each and then "end".
 * policy-check FILE…: the policy's parser on files, in the order given. Errors on standard output, one a
 * line, with the files' names without directory; 0: valid, 1: not. A program for test-schema.py, not a test
 * by itself. */

#include "common/limits.h"
#include "common/macro.h"
#include "policy/keys.h"
#include "policy/policy.h"

#include <string.h>

static char *read_all(const char *path, size_t *ret_size) {
        _cleanup_fclose_ FILE *f = fopen(path, "re");
        char *text = malloc(POLICY_FILE_MAX + 2U);

        if (!f || !text) {
                fprintf(stderr, "%s: cannot read\n", path);
                exit(2);
        }
        *ret_size = fread(text, 1, POLICY_FILE_MAX + 2U, f);
        return text;
}

static int print_keys(void) {
        FOREACH_ARRAY(o, object_keys, _OBJECT_MAX) {
                printf("%s", o->name);
                for (size_t i = 0; i < o->n_keys; i++)
                        printf(" %s", o->keys[i]);
                printf("\n");
        }
        return 0;
}

/* True if the policy is valid. */
static bool check(const struct policy_source *sources, size_t n) {
        struct policy_errors errors = { 0 };
        _cleanup_(policy_freep) struct policy *p = NULL;

        int r = policy_parse(sources, n, &p, &errors);
        for (size_t i = 0; i < errors.n; i++) {
                const struct policy_error *e = &errors.items[i];

                printf("%s:%d:%d: %s: %s\n", e->file, e->at.line, e->at.column, e->path, e->message);
        }
        policy_errors_done(&errors);
        return r == 0;
}

static int check_each(void) {
        _cleanup_free_ char *line = NULL;
        size_t size = 0;
        ssize_t n;

        while ((n = getline(&line, &size, stdin)) > 0) {
                const struct policy_source source = { "line", line, (size_t) n };

                check(&source, 1);
                printf("end\n");
        }
        return 0;
}

int main(int argc, char *argv[]) {
        struct policy_source *sources = calloc((size_t) argc, sizeof(*sources));

        if (!sources)
                return 2;
        if (argc == 2 && argv[1][0] == '-') {
                free(sources);
                return strcmp(argv[1], "--keys") == 0 ? print_keys() : check_each();
        }
        for (int i = 1; i < argc; i++) {
                const char *slash = strrchr(argv[i], '/');

                sources[i - 1].file = slash ? slash + 1 : argv[i];
                sources[i - 1].text = read_all(argv[i], &sources[i - 1].size);
        }
        bool valid = check(sources, (size_t) argc - 1);
        for (int i = 1; i < argc; i++)
                free((char *) sources[i - 1].text);
        free(sources);
        return valid ? 0 : 1;
}
