/* SPDX-License-Identifier: GPL-2.0-or-later */
/* JSON: what is accepted can be printed and read again, and every value of it is found where json_locate()
 * says. */

#include "common/json.h"
#include "common/limits.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

#define INPUT_MAX     4096
#define PATH_MAX_LEN  200 /* json_locate() knows keys of up to 255 bytes */
#define LOCATIONS_MAX 64

struct walk {
        const char *text;
        size_t size;
        unsigned left;
};

static size_t offset_of(const struct walk *w, struct json_position at) {
        size_t i = 0;

        for (int line = 1; line < at.line; line++) {
                const char *end = memchr(w->text + i, '\n', w->size - i);

                REQUIRE(end);
                i = (size_t) (end - w->text) + 1;
        }
        i += (size_t) at.column - 1;
        REQUIRE(i < w->size);
        return i;
}

static void require_at(const struct walk *w, const char *path, bool key, const json_t *expected) {
        struct json_position at = json_locate(w->text, w->size, path, key);

        REQUIRE(at.line > 0 && at.column > 0);
        size_t i = offset_of(w, at);
        _cleanup_json_ json_t *found =
                        json_loadb(w->text + i, w->size - i, JSON_DECODE_ANY | JSON_DISABLE_EOF_CHECK, NULL);
        REQUIRE(found && json_equal(found, expected));
}

/* Appends "/token" with RFC 6901 escapes; false if there is no room. */
static bool extend(char *path, size_t used, const char *token) {
        path[used++] = '/';
        for (; *token; token++) {
                if (used + 3 > PATH_MAX_LEN)
                        return false;
                if (*token == '~' || *token == '/') {
                        path[used++] = '~';
                        path[used++] = *token == '~' ? '0' : '1';
                } else
                        path[used++] = *token;
        }
        path[used] = '\0';
        return true;
}

static void walk(struct walk *w, json_t *value, char *path) {
        size_t used = strlen(path), i;
        const char *key;
        json_t *v;

        if (w->left == 0 || used + 24 > PATH_MAX_LEN)
                return;
        w->left--;
        require_at(w, path, false, value);
        json_object_foreach(value, key, v) {
                if (extend(path, used, key)) {
                        _cleanup_json_ json_t *name = json_string(key);
                        require_at(w, path, true, name);
                        walk(w, v, path);
                }
                path[used] = '\0';
        }
        json_array_foreach(value, i, v) {
                snprintf(path + used, PATH_MAX_LEN - used, "/%zu", i);
                walk(w, v, path);
                path[used] = '\0';
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const char *text = (const char *) data;
        struct json_problem problem = { 0 };
        _cleanup_json_ json_t *value = NULL, *again = NULL;
        char path[PATH_MAX_LEN] = "";

        if (size > INPUT_MAX)
                return 0;
        if (json_parse(text, size, JSON_DEPTH_MAX, &value, &problem) < 0) {
                REQUIRE(problem.at.line > 0 && problem.message[0]);
                return 0;
        }
        _cleanup_free_ char *printed = json_text(value);
        REQUIRE(printed);
        REQUIRE(json_parse(printed, strlen(printed), JSON_DEPTH_MAX, &again, &problem) == 0);
        REQUIRE(json_equal(value, again));
        walk(&(struct walk){ text, size, LOCATIONS_MAX }, value, path);
        return 0;
}
