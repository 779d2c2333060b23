/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Small helpers that every file may use: cleanup by attribute, ownership transfer, sizes. */

#include <dirent.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(f)   __attribute__((cleanup(f)))
#define _printf_(a, b) __attribute__((format(printf, a, b)))
#define _unused_       __attribute__((unused))
#define _const_        __attribute__((const))
#define _warn_unused_  __attribute__((warn_unused_result))

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)     ((a) < (b) ? (a) : (b))
#define MAX(a, b)     ((a) > (b) ? (a) : (b))

/* Each element of a C array, by pointer. No array may be NULL: even adding 0 to that is undefined in C. */
#define FOREACH_ARRAY(i, array, num)                                                                         \
        for (__typeof__((array)[0]) *i = (array), *_end_##i = i ? i + (num) : i; i < _end_##i; i++)

#define TAKE_PTR(p)                                                                                          \
        ({                                                                                                   \
                __typeof__(p) *_pp = &(p);                                                                   \
                __typeof__(p) _v = *_pp;                                                                     \
                *_pp = NULL;                                                                                 \
                _v;                                                                                          \
        })
#define TAKE_FD(fd)                                                                                          \
        ({                                                                                                   \
                int *_pfd = &(fd);                                                                           \
                int _v = *_pfd;                                                                              \
                *_pfd = -1;                                                                                  \
                _v;                                                                                          \
        })

#define DEFINE_CLEANUP(type, f)                                                                              \
        static inline void f##p(type *p) {                                                                   \
                if (*p)                                                                                      \
                        f(*p);                                                                               \
        }

static inline void freep(void *p) {
        free(*(void **) p);
}

static inline void closep(int *fd) {
        if (*fd >= 0)
                close(*fd);
}

/* Closes *fd if open and marks it closed. Returns -1, for fd = close_fd(fd) style use. */
static inline int close_fd(int *fd) {
        if (*fd >= 0)
                close(*fd);
        *fd = -1;
        return -1;
}

DEFINE_CLEANUP(FILE *, fclose)
DEFINE_CLEANUP(DIR *, closedir)

#define _cleanup_free_     _cleanup_(freep)
#define _cleanup_close_    _cleanup_(closep)
#define _cleanup_fclose_   _cleanup_(fclosep)
#define _cleanup_closedir_ _cleanup_(closedirp)
