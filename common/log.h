/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Log lines: to the journal with fields when the process runs under systemd, else to stderr. One line a fact;
 * errors are logged once, by whoever handles them. */

#include "common/address.h"
#include "common/macro.h"

#include <stdbool.h>
#include <syslog.h>

/* Program name for stderr lines; level: the most detailed LOG_* that is shown (default LOG_INFO). */
void log_setup(const char *program, int level);

void log_full(int level, const char *file, int line, const char *format, ...) _printf_(4, 5);

/* With structured fields: VFCTL_ADDRESS=, VFCTL_TENANT=, VFCTL_VM=, VFCTL_LEASE=, MESSAGE_ID=; NULL leaves a
 * field out. On stderr only messages with an id show them, and only with LOG_DEBUG. */
struct log_fields {
        const struct address *address;
        const char *tenant, *vm, *lease, *message_id;
};
void log_fields(int level, const char *file, int line, const struct log_fields *fields, const char *format,
                ...) _printf_(5, 6);

#define log_at(level, ...)           log_full(level, __FILE__, __LINE__, __VA_ARGS__)
#define log_debug(...)               log_at(LOG_DEBUG, __VA_ARGS__)
#define log_info(...)                log_at(LOG_INFO, __VA_ARGS__)
#define log_notice(...)              log_at(LOG_NOTICE, __VA_ARGS__)
#define log_warning(...)             log_at(LOG_WARNING, __VA_ARGS__)
#define log_error(...)               log_at(LOG_ERR, __VA_ARGS__)
#define log_with(level, fields, ...) log_fields(level, __FILE__, __LINE__, fields, __VA_ARGS__)

/* Text of a negative errno. */
const char *errno_text(int negative_errno);
