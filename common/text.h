/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Numbers and names from untrusted text. All return 0 or -errno. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whole string, no sign, no blanks. base 0: 0x prefix means hex, else decimal. -EINVAL, -ERANGE. */
int parse_u64(const char *s, int base, uint64_t *ret);

/* "8388608", "64K", "4G" (powers of 1024), optional trailing "B" or "iB". Bytes. */
int parse_size(const char *s, uint64_t *ret);

/* "4G", "1.5G", "512M": at most one decimal. buf holds 32 bytes; returns buf. */
const char *format_size(uint64_t bytes, char buf[32]);
#define SIZE_STR(v) format_size(v, (char[32]){ 0 })

/* 1 to NAME_MAX_LEN letters, digits, '.', '_', '-', starting with a letter or digit. */
bool name_is_valid(const char *s);

/* Bounded copy. False if it was cut. */
bool text_copy(char *dst, size_t size, const char *src);

/* asprintf into *buf, appended; *buf grows. -ENOMEM. */
int text_append(char **buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
