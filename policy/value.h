/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Strict values of policy files. */

#include "common/text.h"
#include "policy/errors.h"
#include "policy/keys.h"

#define PATH_MAX_LEN 512

void path_join(char ret[PATH_MAX_LEN], const char *path, const char *key);
void path_index(char ret[PATH_MAX_LEN], const char *path, size_t index);

/* What was found, for messages: "the string \"x\"", "the number 5", "an object". Returns buf or a constant.
 */
#define FOUND_MAX 96
const char *value_found(const json_t *v, char buf[FOUND_MAX]);
#define FOUND(v) value_found(v, (char[FOUND_MAX]){ 0 })

/* An object with no other members than its kind has. False: not an object at all. */
bool value_object(struct context *c, const char *path, json_t *v, enum object_kind kind);

/* The member of an object at path; reports if it is missing. expected: the end of the sentence. NULL:
 * missing. */
json_t *value_required(struct context *c, const char *path, json_t *object, const char *key,
                       const char *expected);

/* Members of an object at path. Absent: nothing happens. On error: reported, *ret untouched. */
bool value_int(struct context *c, const char *path, json_t *object, const char *key, int64_t min, int64_t max,
               int64_t *ret);
bool value_bool(struct context *c, const char *path, json_t *object, const char *key, bool *ret);
bool value_size(struct context *c, const char *path, json_t *object, const char *key, uint64_t *ret);
bool value_percent(struct context *c, const char *path, json_t *object, const char *key, uint8_t *ret);
bool value_mac(struct context *c, const char *path, json_t *object, const char *key, struct mac *ret);
void value_glob(struct context *c, const char *path, json_t *object, const char *key, char **ret);
void value_hex16(struct context *c, const char *path, json_t *object, const char *key, int *ret);
/* A name of at most max bytes without any character of `not`. */
void value_text(struct context *c, const char *path, json_t *object, const char *key, size_t max,
                const char * not, char **ret);
/* The index of the word; -1 if absent or wrong (reported). */
int value_word(struct context *c, const char *path, json_t *object, const char *key, const char *const *words,
               size_t n);

/* "found …; expected <expected>" at the member of an object at path. */
void value_refuse(struct context *c, const char *path, const char *key, const json_t *v,
                  const char *expected);

/* A copy of a string, NULL without memory (noted). */
char *value_copy(struct context *c, const json_t *v);

/* Not empty, at most max bytes, no control characters and none of `not`. */
bool text_is_plain(const json_t *v, size_t max, const char * not );

/* A whole number without sign, blanks and leading zeros at the start of s; *end is behind it. False: none, or
 * above max. */
bool text_number(const char *s, uint64_t max, uint64_t *ret, const char **end);

/* "1%" to "100%" */
bool text_percent(const json_t *v, uint32_t *ret);
