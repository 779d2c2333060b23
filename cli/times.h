/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Microseconds since 1970, in local time, for people. */

#include <stdint.h>
#include <stdio.h>
#include <time.h>

#define TIME_STR_MAX 48

/* "2026-01-31 12:00:00", with microseconds "2026-01-31 12:00:00.000042"; "-" for what is no time. Returns
 * buf. */
static inline const char *time_format(int64_t usec, int fraction, char buf[TIME_STR_MAX]) {
        time_t seconds = usec / 1000000;
        struct tm tm;
        size_t n = 0;

        if (usec > 0 && localtime_r(&seconds, &tm))
                n = strftime(buf, TIME_STR_MAX - 8, "%Y-%m-%d %H:%M:%S", &tm);
        if (n == 0)
                snprintf(buf, TIME_STR_MAX, "-");
        else if (fraction)
                snprintf(buf + n, TIME_STR_MAX - n, ".%06u", (unsigned) (usec % 1000000));
        return buf;
}

/* "8h", "90s": in the largest unit that divides it; "-" for 0. Returns buf. */
static inline const char *duration_format(int64_t seconds, char buf[TIME_STR_MAX]) {
        const long long s = seconds;

        if (s <= 0)
                snprintf(buf, TIME_STR_MAX, "-");
        else if (s % 86400 == 0)
                snprintf(buf, TIME_STR_MAX, "%lldd", s / 86400);
        else if (s % 3600 == 0)
                snprintf(buf, TIME_STR_MAX, "%lldh", s / 3600);
        else if (s % 60 == 0)
                snprintf(buf, TIME_STR_MAX, "%lldmin", s / 60);
        else
                snprintf(buf, TIME_STR_MAX, "%llds", s);
        return buf;
}

#define DURATION_STR(seconds) duration_format(seconds, (char[TIME_STR_MAX]){ 0 })
#define TIME_STR(usec)        time_format(usec, 0, (char[TIME_STR_MAX]){ 0 })
