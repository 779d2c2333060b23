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

/* "NAME=value" each, owned by the caller. */
struct fields {
        char *text[10];
        int n;
};

static void _printf_(2, 3) add_field(struct fields *fields, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        fields->n += vasprintf(&fields->text[fields->n], format, ap) >= 0;
        va_end(ap);
}

static void add_fields(struct fields *fields, const struct log_fields *f) {
        if (f->message_id)
                add_field(fields, "MESSAGE_ID=%s", f->message_id);
        if (f->address)
                add_field(fields, "VFCTL_ADDRESS=%s", ADDRESS_STR(*f->address));
        if (f->tenant)
                add_field(fields, "VFCTL_TENANT=%s", f->tenant);
        if (f->vm)
                add_field(fields, "VFCTL_VM=%s", f->vm);
        if (f->lease)
                add_field(fields, "VFCTL_LEASE=%s", f->lease);
}

static void free_fields(struct fields *fields) {
        for (int i = 0; i < fields->n; i++)
                free(fields->text[i]);
}

static void journal_send(int level, const char *file, int line, const struct log_fields *f,
                         const char *text) {
        __attribute__((cleanup(free_fields))) struct fields fields = { .n = 0 };
        struct iovec iov[ARRAY_SIZE(fields.text)];

        add_field(&fields, "MESSAGE=%s", text);
        add_field(&fields, "PRIORITY=%d", level);
        add_field(&fields, "SYSLOG_IDENTIFIER=%s", program_name);
        add_field(&fields, "CODE_FILE=%s", file);
        add_field(&fields, "CODE_LINE=%d", line);
        if (f)
                add_fields(&fields, f);
        for (int i = 0; i < fields.n; i++)
                iov[i] = (struct iovec){ fields.text[i], strlen(fields.text[i]) };
        if (sd_journal_sendv(iov, fields.n) < 0)
                fprintf(stderr, "<%d>%s\n", level, text);
}

/* Who debugs sees what the journal would have of a message with an id. */
static void print_line(const struct log_fields *f, const char *text) {
        __attribute__((cleanup(free_fields))) struct fields fields = { .n = 0 };
        char all[512] = "";
        size_t n = 0;

        if (f && f->message_id && max_level >= LOG_DEBUG)
                add_fields(&fields, f);
        for (int i = 0; i < fields.n && n < sizeof(all); i++)
                n += (size_t) snprintf(all + n, sizeof(all) - n, "%s%s", i == 0 ? " [" : " ", fields.text[i]);
        fprintf(stderr, "%s: %s%s%s\n", program_name, text, all, fields.n > 0 ? "]" : "");
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
                print_line(f, text ? text : body);
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
