/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Records of /dev/kmsg, and taking a line apart from its left end. */

#include "iommu/kmsg.h"

#include <errno.h>
#include <string.h>

bool cursor_at_end(const struct cursor *c) {
        return c->p == c->end;
}

bool take_text(struct cursor *c, const char *literal) {
        size_t n = strlen(literal);

        if ((size_t) (c->end - c->p) < n || memcmp(c->p, literal, n) != 0)
                return false;
        c->p += n;
        return true;
}

static int digit_value(char c) {
        if (c >= '0' && c <= '9')
                return c - '0';
        return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 16;
}

static bool is_alnum(char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool take_digits(struct cursor *c, int base, int min, int max, uint64_t *ret) {
        const char *p = c->p;
        uint64_t v = 0;
        int n = 0;

        for (; p < c->end && n < max && digit_value(*p) < base; p++, n++)
                if (__builtin_mul_overflow(v, (uint64_t) base, &v) ||
                    __builtin_add_overflow(v, (uint64_t) digit_value(*p), &v))
                        return false;
        if (n < min || (p < c->end && is_alnum(*p)))
                return false;
        c->p = p;
        *ret = v;
        return true;
}

bool take_decimal(struct cursor *c, uint64_t *ret) {
        return take_digits(c, 10, 1, 20, ret);
}

bool take_hex(struct cursor *c, uint64_t *ret) {
        struct cursor t = *c;

        take_text(&t, "0x");
        if (!take_digits(&t, 16, 1, 16, ret))
                return false;
        *c = t;
        return true;
}

bool take_until(struct cursor *c, const char *stop, struct cursor *ret) {
        const char *p = c->p;

        while (p < c->end && !strchr(stop, *p))
                p++;
        if (p == c->p)
                return false;
        *ret = (struct cursor){ c->p, p };
        c->p = p;
        return true;
}

bool cursor_is(struct cursor c, const char *literal) {
        return take_text(&c, literal) && cursor_at_end(&c);
}

bool take_function(struct cursor *c, bool *has_domain, struct address *ret) {
        struct cursor t = *c;
        uint64_t domain = 0, bus, device, function;
        bool prefixed = take_text(&t, "0x");

        *has_domain = !prefixed && take_digits(&t, 16, 4, 8, &domain) && take_text(&t, ":");
        if (!take_digits(&t, 16, 2, 2, &bus) || !take_text(&t, prefixed ? ":0x" : ":") ||
            !take_digits(&t, 16, 2, 2, &device) || !take_text(&t, ".") ||
            !take_digits(&t, 16, 1, 1, &function) || device > 31 || function > 7)
                return false;
        *ret = (struct address){ (uint32_t) domain, (uint8_t) bus, (uint8_t) device, (uint8_t) function };
        *c = t;
        return true;
}

bool take_full_function(struct cursor *c, struct address *ret) {
        struct cursor t = *c;
        bool has_domain;

        if (!take_function(&t, &has_domain, ret) || !has_domain)
                return false;
        *c = t;
        return true;
}

/* Up to and without the next newline, which must be there. The kernel escapes all that is not printable. */
static bool take_line(struct cursor *c, struct cursor *ret) {
        const char *p = c->p;

        while (p < c->end && *p >= ' ' && *p <= '~')
                p++;
        if (p == c->end || *p != '\n')
                return false;
        *ret = (struct cursor){ c->p, p };
        c->p = p + 1;
        return true;
}

/* ",caller=T123" or ",caller=C0", and fields of the future: Documentation/ABI/testing/dev-kmsg */
static bool take_fields(struct cursor *c, struct kmsg_record *r) {
        struct cursor field;

        while (take_text(c, ",")) {
                uint64_t v;

                if (!take_until(c, ",;\n", &field))
                        return false;
                if (!take_text(&field, "caller="))
                        continue;
                bool cpu = take_text(&field, "C");
                if ((!cpu && !take_text(&field, "T")) || !take_decimal(&field, &v) ||
                    !cursor_at_end(&field) || v > INT32_MAX || r->has_caller)
                        return false;
                r->has_caller = true;
                r->caller = (uint32_t) v | (cpu ? 1U << 31 : 0);
        }
        return take_text(c, ";");
}

/* " SUBSYSTEM=pci\n DEVICE=+pci:0000:03:00.1\n" */
static bool take_dictionary(struct cursor *c, struct kmsg_record *r) {
        struct cursor line, function;

        while (!cursor_at_end(c)) {
                if (!take_text(c, " ") || !take_line(c, &line))
                        return false;
                if (!take_text(&line, "DEVICE="))
                        continue;
                if (r->source)
                        return false;
                r->source = line.p;
                r->n_source = (size_t) (line.end - line.p);
                function = line;
                r->has_device = take_text(&function, "+pci:") && take_full_function(&function, &r->device) &&
                                cursor_at_end(&function);
                if (!r->has_device)
                        r->device = (struct address){ 0 };
        }
        return true;
}

/* kernel/printk/printk.c:info_print_ext_header, msg_print_ext_body */
int kmsg_parse(const char *data, size_t n, struct kmsg_record *ret) {
        struct cursor c = { data, data + n }, flags, text;
        struct kmsg_record r = { 0 };
        uint64_t priority;

        if (!take_decimal(&c, &priority) || priority > UINT32_MAX || !take_text(&c, ",") ||
            !take_decimal(&c, &r.seq) || !take_text(&c, ",") || !take_decimal(&c, &r.usec) ||
            !take_text(&c, ",") || !take_until(&c, ",;\n", &flags) || !take_fields(&c, &r) ||
            !take_line(&c, &text) || !take_dictionary(&c, &r))
                return -EBADMSG;
        r.level = (unsigned) priority & 7U;
        r.facility = (unsigned) (priority >> 3);
        r.continued = !cursor_is(flags, "-");
        r.text = text.p;
        r.n = (size_t) (text.end - text.p);
        *ret = r;
        return 0;
}
