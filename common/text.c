/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Numbers and names from untrusted text. */

#include "common/text.h"
#include "common/limits.h"
#include "common/macro.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>

int parse_u64(const char *s, int base, uint64_t *ret) {
        if (base == 0) {
                base = 10;
                if (s[0] == '0' && (s[1] == 'x' || s[1] == 'X')) {
                        base = 16;
                        s += 2;
                }
        } else if (base == 16 && s[0] == '0' && (s[1] == 'x' || s[1] == 'X'))
                s += 2;
        if (!isxdigit((unsigned char) s[0])) /* strtoull takes signs and blanks, we do not */
                return -EINVAL;
        if (base == 16 && s[0] == '0' && (s[1] == 'x' || s[1] == 'X')) /* nor a second prefix */
                return -EINVAL;
        char *end;
        errno = 0;
        unsigned long long v = strtoull(s, &end, base);
        if (*end)
                return -EINVAL;
        if (errno)
                return -errno;
        *ret = v;
        return 0;
}

int parse_size(const char *s, uint64_t *ret) {
        char digits[24];
        size_t n = strspn(s, "0123456789");
        uint64_t v, factor = 1;

        if (n == 0 || n >= sizeof(digits))
                return -EINVAL;
        memcpy(digits, s, n);
        digits[n] = '\0';
        int r = parse_u64(digits, 10, &v);
        if (r < 0)
                return r;
        s += n;
        if (*s && *s != 'B') {
                const char *units = "KMGTP", *u = strchr(units, toupper((unsigned char) *s));

                if (!u)
                        return -EINVAL;
                factor = 1ULL << (10 * (u - units + 1));
                s++;
                if (*s == 'i')
                        s++;
        }
        if (*s == 'B')
                s++;
        if (*s)
                return -EINVAL;
        if (__builtin_mul_overflow(v, factor, ret))
                return -ERANGE;
        return 0;
}

const char *format_size(uint64_t bytes, char buf[32]) {
        static const char units[] = "BKMGTP";
        unsigned u = 0;
        uint64_t unit = 1;

        while (u < 5 && bytes / unit >= 1024) {
                unit *= 1024;
                u++;
        }
        uint64_t tenths = bytes / unit * 10 + bytes % unit * 10 / unit;
        if (u == 0)
                snprintf(buf, 32, "%llu", (unsigned long long) bytes);
        else if (tenths % 10 == 0)
                snprintf(buf, 32, "%llu%c", (unsigned long long) tenths / 10, units[u]);
        else
                snprintf(buf, 32, "%llu.%llu%c", (unsigned long long) tenths / 10,
                         (unsigned long long) tenths % 10, units[u]);
        return buf;
}

bool name_is_valid(const char *s) {
        size_t n = strlen(s);

        if (n == 0 || n > NAME_MAX_LEN || !isalnum((unsigned char) s[0]))
                return false;
        for (; *s; s++)
                if (!isalnum((unsigned char) *s) && !strchr("._-", *s))
                        return false;
        return true;
}

bool text_copy(char *dst, size_t size, const char *src) {
        size_t n = strlen(src);
        bool whole = n < size;

        if (!whole)
                n = size - 1;
        memcpy(dst, src, n);
        dst[n] = '\0';
        return whole;
}

int text_append(char **buf, const char *format, ...) {
        _cleanup_free_ char *more = NULL;
        va_list ap;

        va_start(ap, format);
        int n = vasprintf(&more, format, ap);
        va_end(ap);
        if (n < 0) {
                more = NULL;
                return -ENOMEM;
        }
        size_t have = *buf ? strlen(*buf) : 0;
        char *p = realloc(*buf, have + (size_t) n + 1);
        if (!p)
                return -ENOMEM;
        memcpy(p + have, more, (size_t) n + 1);
        *buf = p;
        return 0;
}
