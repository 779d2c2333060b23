/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What is too large for a message of the worker link: a memfd that nobody can change any more, not even while
 * it is being checked. */

#include <stddef.h>
#include <sys/uio.h>

/* The parts one behind the other. A descriptor, the caller's; -errno. */
int sealed_write(const char *name, const struct iovec *parts, int n_parts);

/* -EPROTO if fd is nothing of the kind. */
int sealed_size(int fd, size_t *ret);

/* Exactly size bytes from offset. -EPROTO if there are fewer. */
int sealed_read(int fd, void *buf, size_t size, size_t offset);
