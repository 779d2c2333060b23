/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Log lines to the journal or to stderr. */

#include "common/log.h"

#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

static const char *program_name = "vfctl";
static int max_level = LOG_INFO;
static bool to_journal;

/* True if stderr is the journal stream that systemd gave us (systemd.exec(5), $JOURNAL_STREAM). */
static bool stderr_is_journal(void) {
        const char *e = getenv("JOURNAL_STREAM");
        unsigned long long dev, ino;
        struct stat st;

        return e && sscanf(e, "%llu:%llu", &dev, &ino) == 2 && fstat(STDERR_FILENO, &st) == 0 &&
               st.st_dev == dev && st.st_ino == ino;
}

void log_setup(const char *program, int level) {
        program_name = program;
        max_level = level;
        to_journal = stderr_is_journal();
}

static void journal_send(int level, const char *file, int line, const struct log_fields *f,
                         const char *text) {
        char *fields[10];
        struct iovec iov[10];
        int n = 0;

#define ADD(...)                                                                                             \
        do {                                                                                                 \
                if (asprintf(&fields[n], __VA_ARGS__) >= 0) {                                                \
                        iov[n] = (struct iovec){ fields[n], strlen(fields[n]) };                             \
                        n++;                                                                                 \
                }                                                                                            \
        } while (0)
        ADD("MESSAGE=%s", text);
        ADD("PRIORITY=%d", level);
        ADD("SYSLOG_IDENTIFIER=%s", program_name);
        ADD("CODE_FILE=%s", file);
        ADD("CODE_LINE=%d", line);
        if (f && f->address)
                ADD("VFCTL_ADDRESS=%s", ADDRESS_STR(*f->address));
        if (f && f->tenant)
                ADD("VFCTL_TENANT=%s", f->tenant);
        if (f && f->vm)
                ADD("VFCTL_VM=%s", f->vm);
        if (f && f->lease)
                ADD("VFCTL_LEASE=%s", f->lease);
        if (f && f->message_id)
                ADD("MESSAGE_ID=%s", f->message_id);
#undef ADD
        if (sd_journal_sendv(iov, n) < 0)
                fprintf(stderr, "<%d>%s\n", level, text);
        for (int i = 0; i < n; i++)
                free(fields[i]);
}

static void _printf_(5, 0) log_va(int level, const char *file, int line, const struct log_fields *f,
                                  const char *format, va_list ap) {
        _cleanup_free_ char *body = NULL, *text = NULL;

        if (level > max_level)
                return;
        if (vasprintf(&body, format, ap) < 0) {
                body = NULL;
                return;
        }
        if (f && f->address && asprintf(&text, "%s: %s", ADDRESS_STR(*f->address), body) < 0)
                text = NULL;
        if (to_journal)
                journal_send(level, file, line, f, text ? text : body);
        else
                fprintf(stderr, "%s: %s\n", program_name, text ? text : body);
}

void log_full(int level, const char *file, int line, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        log_va(level, file, line, NULL, format, ap);
        va_end(ap);
}

void log_fields(int level, const char *file, int line, const struct log_fields *fields, const char *format,
                ...) {
        va_list ap;

        va_start(ap, format);
        log_va(level, file, line, fields, format, ap);
        va_end(ap);
}

const char *errno_text(int negative_errno) {
        const char *t = strerrordesc_np(negative_errno < 0 ? -negative_errno : negative_errno);

        return t ? t : "unknown error";
}
