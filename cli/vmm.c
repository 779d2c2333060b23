/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Command lines of VMMs. */

#include "cli/vmm.h"
#include "common/macro.h"
#include "common/text.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

enum placeholder {
        PLACEHOLDER_ADDRESS,
        PLACEHOLDER_GROUP,
        PLACEHOLDER_NODE,
        PLACEHOLDER_DEVICE_FD,
        PLACEHOLDER_IOMMUFD_FD,
        _PLACEHOLDER_MAX,
};

static const char *const placeholder_names[_PLACEHOLDER_MAX] = { "address", "group", "node", "device_fd",
                                                                 "iommufd_fd" };

struct argv_builder {
        char **argv;
        size_t n;
};

void vmm_free_arguments(char **argv) {
        for (char **a = argv; a && *a; a++)
                free(*a);
        free(argv);
}

/* Inserts before index at; n to append. */
static int insert_taken(struct argv_builder *b, size_t at, char *text_taken) {
        char **p = text_taken ? reallocarray(b->argv, b->n + 2, sizeof(*p)) : NULL;

        if (!p) {
                free(text_taken);
                return -ENOMEM;
        }
        memmove(p + at + 1, p + at, (b->n - at) * sizeof(*p));
        p[at] = text_taken;
        p[++b->n] = NULL;
        b->argv = p;
        return 0;
}

static int append(struct argv_builder *b, const char *format, ...) _printf_(2, 3);
static int append(struct argv_builder *b, const char *format, ...) {
        char *text = NULL;
        va_list ap;

        va_start(ap, format);
        if (vasprintf(&text, format, ap) < 0)
                text = NULL;
        va_end(ap);
        return insert_taken(b, b->n, text);
}

static bool starts_with(const char *s, const char *prefix) {
        return strncmp(s, prefix, strlen(prefix)) == 0;
}

enum vmm_kind vmm_kind_of(const char *path) {
        const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;

        if (starts_with(name, "qemu-system-") || strcmp(name, "qemu-kvm") == 0 || strcmp(name, "kvm") == 0)
                return VMM_QEMU;
        return starts_with(name, "cloud-hypervisor") ? VMM_CLOUD_HYPERVISOR : VMM_OTHER;
}

/* Is there a placeholder at the '{' p? Its length, 0 if it is other text, such as JSON. */
static size_t placeholder_at(const char *p, enum placeholder *ret, size_t *ret_index) {
        for (unsigned i = 0; i < _PLACEHOLDER_MAX; i++) {
                size_t n = strlen(placeholder_names[i]), digits;

                if (strncmp(p + 1, placeholder_names[i], n) != 0)
                        continue;
                const char *rest = p + 1 + n;
                *ret = (enum placeholder) i;
                *ret_index = 0;
                if (*rest == '}')
                        return n + 2;
                digits = *rest == ':' ? strspn(rest + 1, "0123456789") : 0;
                if (digits == 0 || digits > 4 || rest[1 + digits] != '}')
                        continue;
                *ret_index = strtoul(rest + 1, NULL, 10);
                return n + digits + 3;
        }
        return 0;
}

/* The next placeholder of s: its start, or NULL. */
static const char *placeholder_next(const char *s, enum placeholder *ret, size_t *ret_index,
                                    size_t *ret_size) {
        for (s = strchr(s, '{'); s; s = strchr(s + 1, '{'))
                if ((*ret_size = placeholder_at(s, ret, ret_index)) > 0)
                        return s;
        return NULL;
}

struct placeholder_use {
        bool any, fd, node;
        size_t highest; /* index */
};

static struct placeholder_use placeholders_of(char *const *argv, size_t n) {
        struct placeholder_use use = { 0 };

        for (size_t i = 1; i < n; i++) {
                enum placeholder kind;
                size_t index, size;

                for (const char *p = argv[i]; (p = placeholder_next(p, &kind, &index, &size)); p += size) {
                        use.any = true;
                        use.fd |= kind == PLACEHOLDER_DEVICE_FD || kind == PLACEHOLDER_IOMMUFD_FD;
                        use.node |= kind == PLACEHOLDER_NODE;
                        use.highest = MAX(use.highest, index);
                }
        }
        return use;
}

static int choose_by_placeholders(const struct placeholder_use *use, unsigned count, enum hand_off *hand_off,
                                  char *problem, size_t size) {
        if (use->highest >= count)
                snprintf(problem, size,
                         "a placeholder asks for VF %zu, but only %u %s leased (they count from 0)",
                         use->highest, count, count == 1 ? "is" : "are");
        else if (use->fd && use->node)
                snprintf(problem, size,
                         "{node} is of the node hand-off, {device_fd} and {iommufd_fd} of the fd hand-off");
        else if (use->fd && *hand_off == HAND_OFF_NODE)
                snprintf(problem, size, "with --hand-off node there is no {device_fd} and no {iommufd_fd}");
        else if (use->node && *hand_off == HAND_OFF_FD)
                snprintf(problem, size, "with --hand-off fd there is no {node}");
        else {
                /* A VMM that is told an address only opens the node itself. */
                if (*hand_off == HAND_OFF_AUTO)
                        *hand_off = use->fd ? HAND_OFF_FD : HAND_OFF_NODE;
                return 0;
        }
        return -EINVAL;
}

/* QEMU's -daemonize leaves the process that the lease is tied to. */
static bool leaves_its_process(char *const *argv, size_t n) {
        if (vmm_kind_of(argv[0]) != VMM_QEMU)
                return false;
        for (size_t i = 1; i < n; i++)
                if (strcmp(argv[i], "-daemonize") == 0 || strcmp(argv[i], "--daemonize") == 0)
                        return true;
        return false;
}

int vmm_choose_hand_off(char *const *argv, size_t n, unsigned count, enum hand_off *hand_off, char *problem,
                        size_t size) {
        struct placeholder_use use = placeholders_of(argv, n);

        if (leaves_its_process(argv, n)) {
                snprintf(problem, size,
                         "with -daemonize the lease would end at once; use the shell's '&' or systemd-run");
                return -EINVAL;
        }
        if (use.any)
                return choose_by_placeholders(&use, count, hand_off, problem, size);
        if (vmm_kind_of(argv[0]) == VMM_CLOUD_HYPERVISOR && count > 1) {
                /* It takes one iommufd, and every VF here has its own. */
                if (*hand_off == HAND_OFF_FD) {
                        snprintf(problem, size, "cloud-hypervisor takes one VF by the fd hand-off, not %u",
                                 count);
                        return -EINVAL;
                }
                *hand_off = HAND_OFF_NODE;
        }
        return 0;
}

/* A size with an optional fraction, as QEMU takes it ("1.5G"); numbers without a suffix are in `unit` bytes.
 */
static int memory_parse(const char *text, size_t size, uint64_t unit, uint64_t *ret) {
        char buf[40];
        size_t whole = strspn(text, "0123456789"), fraction = 0;
        uint64_t v = 0, part = 0;

        if (whole == 0 || whole > 18 || size >= sizeof(buf))
                return -EINVAL;
        if (whole < size && text[whole] == '.')
                fraction = 1 + strspn(text + whole + 1, "0123456789");
        const char *suffix = text + whole + fraction;
        size_t suffix_size = size - whole - fraction;
        if (suffix_size > 0) {
                snprintf(buf, sizeof(buf), "1%.*s", (int) suffix_size, suffix);
                if (parse_size(buf, &unit) < 0)
                        return -EINVAL;
        }
        snprintf(buf, sizeof(buf), "%.*s", (int) whole, text);
        if (parse_u64(buf, 10, &v) < 0 || __builtin_mul_overflow(v, unit, &v))
                return -EINVAL;
        if (fraction > 0) { /* as QEMU does it: what is less than a byte is dropped */
                snprintf(buf, sizeof(buf), "0%.*s", (int) fraction, text + whole);
                part = (uint64_t) (strtod(buf, NULL) * (double) unit);
        }
        return __builtin_add_overflow(v, part, ret) ? -EINVAL : 0;
}

/* The value of size= in "size=4G,slots=2"; with bare_first also the first item if it has no key. 0 if there
 * is none. */
static size_t size_item(const char *list, bool bare_first, const char **ret) {
        for (const char *p = list; *p; p += strcspn(p, ","), p += *p == ',') {
                size_t n = strcspn(p, ",");

                *ret = starts_with(p, "size=") ? p + 5 : p;
                if (*ret != p || (bare_first && p == list && !memchr(p, '=', n)))
                        return n - (size_t) (*ret - p);
        }
        return 0;
}

/* The value of option name at argv[i], whose next argument or "=…" it is; NULL if argv[i] is another. */
static const char *option_value(char *const *argv, size_t n, size_t i, const char *name) {
        size_t length = strlen(name);

        if (strncmp(argv[i], name, length) != 0)
                return NULL;
        if (argv[i][length] == '=')
                return argv[i] + length + 1;
        return argv[i][length] == '\0' && i + 1 < n ? argv[i + 1] : NULL;
}

static int qemu_memory(char *const *argv, size_t n, uint64_t *ret, const char **bad) {
        bool told = false, elsewhere = false;

        *ret = 128ULL << 20; /* QEMU's default */
        for (size_t i = 1; i < n; i++) {
                const char *dash = starts_with(argv[i], "--") ? "--m" : "-m",
                           *list = option_value(argv, n, i, dash), *text;
                size_t size = list ? size_item(list, true, &text) : 0;

                elsewhere |= strstr(argv[i], "memory-backend=") != NULL ||
                             strcmp(argv[i], "-readconfig") == 0;
                if (size == 0)
                        continue;
                *bad = list;
                if (memory_parse(text, size, 1ULL << 20, ret) < 0)
                        return -EINVAL;
                told = true;
        }
        if (!told && elsewhere)
                *ret = 0;
        return 0;
}

static int cloud_hypervisor_memory(char *const *argv, size_t n, uint64_t *ret, const char **bad) {
        *ret = 512ULL << 20; /* its default */
        for (size_t i = 1; i < n; i++) {
                const char *list = option_value(argv, n, i, "--memory"), *text;
                size_t size = list ? size_item(list, false, &text) : 0;

                if (size == 0)
                        continue;
                *bad = list;
                if (memory_parse(text, size, 1, ret) < 0)
                        return -EINVAL;
        }
        return 0;
}

int vmm_memory(char *const *argv, size_t n, uint64_t *ret, const char **bad) {
        switch (vmm_kind_of(argv[0])) {
        case VMM_QEMU:
                return qemu_memory(argv, n, ret, bad);
        case VMM_CLOUD_HYPERVISOR:
                return cloud_hypervisor_memory(argv, n, ret, bad);
        case VMM_OTHER:
        case _VMM_KIND_MAX:
                break;
        }
        *ret = 0;
        return 0;
}

static int append_number(char **text, int number) {
        return number < 0 ? -EINVAL : text_append(text, "%d", number);
}

static int append_placeholder(char **text, enum placeholder kind, const struct vmm_device *d) {
        switch (kind) {
        case PLACEHOLDER_ADDRESS:
                return text_append(text, "%s", d->address);
        case PLACEHOLDER_NODE:
                return d->node ? text_append(text, "%s", d->node) : -EINVAL;
        case PLACEHOLDER_GROUP:
                return append_number(text, d->group);
        case PLACEHOLDER_DEVICE_FD:
                return append_number(text, d->device_fd);
        case PLACEHOLDER_IOMMUFD_FD:
                return append_number(text, d->iommufd_fd);
        case _PLACEHOLDER_MAX:
                break;
        }
        return -EINVAL;
}

/* argv[i] with its placeholders replaced; *ret is the caller's. */
static int replace(const char *arg, const struct vmm_device *devices, size_t n_devices, char **ret) {
        _cleanup_free_ char *text = NULL;
        enum placeholder kind;
        size_t index, size;
        const char *p;
        int r = 0;

        for (; r == 0 && (p = placeholder_next(arg, &kind, &index, &size)); arg = p + size) {
                if (index >= n_devices)
                        return -EINVAL;
                r = text_append(&text, "%.*s", (int) (p - arg), arg);
                if (r == 0)
                        r = append_placeholder(&text, kind, devices + index);
        }
        if (r == 0)
                r = text_append(&text, "%s", arg);
        if (r == 0)
                *ret = TAKE_PTR(text);
        return r;
}

const char *vmm_qemu_host(const struct vmm_device *d, size_t index, char buf[VMM_QEMU_HOST_MAX]) {
        snprintf(buf, VMM_QEMU_HOST_MAX, "vfio-pci,id=vfctl-vf%zu,host=%s", index, d->address);
        return buf;
}

static int add_qemu(struct argv_builder *b, const struct vmm_device *d, size_t i) {
        int r;

        if (d->device_fd < 0) {
                char host[VMM_QEMU_HOST_MAX];

                r = append(b, "-device");
                return r == 0 ? append(b, "%s", vmm_qemu_host(d, i, host)) : r;
        }
        if ((r = append(b, "-object")) < 0 ||
            (r = append(b, "iommufd,id=vfctl-iommufd%zu,fd=%d", i, d->iommufd_fd)) < 0 ||
            (r = append(b, "-device")) < 0)
                return r;
        return append(b, "vfio-pci,id=vfctl-vf%zu,fd=%d,iommufd=vfctl-iommufd%zu", i, d->device_fd, i);
}

/* cloud-hypervisor takes each option once: a value joins the user's own, if there is one. Where to put a
 * value of `name`: after the option, which is added if it is missing. */
static int place_of(struct argv_builder *b, const char *name, size_t *ret) {
        for (size_t i = 1; i < b->n; i++)
                if (strcmp(b->argv[i], name) == 0) {
                        *ret = i + 1;
                        return 0;
                }
        int r = append(b, "%s", name);

        *ret = b->n;
        return r;
}

static int add_platform(struct argv_builder *b, int iommufd_fd) {
        char *text = NULL;

        for (size_t i = 1; i < b->n; i++) {
                bool joined = starts_with(b->argv[i], "--platform=");

                if (!joined && (strcmp(b->argv[i], "--platform") != 0 || i + 1 >= b->n))
                        continue;
                char **value = &b->argv[joined ? i : i + 1];
                return text_append(value, ",iommufd_fd=%d", iommufd_fd);
        }
        int r = append(b, "--platform");
        if (r == 0)
                r = text_append(&text, "iommufd_fd=%d", iommufd_fd);
        return r == 0 ? insert_taken(b, b->n, text) : r;
}

static int add_cloud_hypervisor(struct argv_builder *b, const struct vmm_device *devices, size_t n) {
        size_t at;
        int r = devices[0].device_fd >= 0 ? add_platform(b, devices[0].iommufd_fd) : 0;

        if (r < 0 || (r = place_of(b, "--device", &at)) < 0)
                return r;
        for (size_t i = 0; i < n && r == 0; i++) {
                char *text = NULL;

                r = devices[i].device_fd >= 0
                                    ? text_append(&text, "fd=%d", devices[i].device_fd)
                                    : text_append(&text, "path=/sys/bus/pci/devices/%s", devices[i].address);
                if (r == 0)
                        r = insert_taken(b, at + i, text);
        }
        return r;
}

static int add_devices(struct argv_builder *b, enum vmm_kind kind, const struct vmm_device *devices,
                       size_t n) {
        int r = 0;

        switch (kind) {
        case VMM_QEMU:
                for (size_t i = 0; i < n && r == 0; i++)
                        r = add_qemu(b, devices + i, i);
                return r;
        case VMM_CLOUD_HYPERVISOR:
                return n > 0 ? add_cloud_hypervisor(b, devices, n) : 0;
        case VMM_OTHER:
        case _VMM_KIND_MAX:
                break;
        }
        return 0;
}

int vmm_arguments(char *const *argv, size_t n, const struct vmm_device *devices, size_t n_devices,
                  char ***ret) {
        struct argv_builder b = { 0 };
        int r = append(&b, "%s", argv[0]);

        for (size_t i = 1; i < n && r == 0; i++) {
                char *text = NULL;

                r = replace(argv[i], devices, n_devices, &text);
                if (r == 0)
                        r = insert_taken(&b, b.n, text);
        }
        if (r == 0 && !placeholders_of(argv, n).any)
                r = add_devices(&b, vmm_kind_of(argv[0]), devices, n_devices);
        if (r < 0) {
                vmm_free_arguments(b.argv);
                return r;
        }
        *ret = b.argv;
        return 0;
}
