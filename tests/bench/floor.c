/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The floor: what the kernel alone needs for the same sysfs writes, opens and ioctls, one after another in a
 * bare loop. Nothing of the project is in here, nothing is checked that the next call would not tell. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/vfio.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* include/uapi/linux/iommufd.h and vfio.h of Linux 6.6 and later; the headers here may be older */
#define IOAS_ALLOC     _IO(';', 0x81)
#define OPTION         _IO(';', 0x87)
#define BIND_IOMMUFD   _IO(';', 118)
#define ATTACH_IOMMUFD _IO(';', 119)

#define PFS_MAX    64U
#define VFS_MAX    4096U
#define ROUNDS_MAX 1000U
#define DEVICE     "/sys/bus/pci/devices/%s/"

enum hand_off { HAND_OFF_NONE, HAND_OFF_FD, HAND_OFF_NODE };

struct pf {
        const char *address;
        unsigned vfs;
        bool autoprobe; /* as it was */
        bool touched;
};

struct vf {
        char address[16];
        char group[16];
        int fence;  /* the group, or the device node */
        int second; /* the container, or the iommufd */
};

static struct pf pfs[PFS_MAX];
static struct vf vfs[VFS_MAX];
static unsigned n_pfs, n_vfs;
static bool by_iommufd;

static void undo(void);

static void __attribute__((noreturn, format(printf, 1, 2))) die(const char *format, ...) {
        int e = errno;
        va_list ap;

        va_start(ap, format);
        fputs("floor: ", stderr);
        vfprintf(stderr, format, ap);
        va_end(ap);
        fprintf(stderr, ": %s\n", strerror(e));
        undo();
        exit(EXIT_FAILURE);
}

static double now_ms(void) {
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (double) t.tv_sec * 1e3 + (double) t.tv_nsec / 1e6;
}

static int try_write(const char *path, const char *text) {
        int fd = open(path, O_WRONLY | O_CLOEXEC);

        if (fd < 0)
                return -1;
        ssize_t n = write(fd, text, strlen(text));
        int e = errno;
        close(fd);
        errno = e;
        return n == (ssize_t) strlen(text) ? 0 : -1;
}

static void __attribute__((format(printf, 2, 3))) write_text(const char *text, const char *format, ...) {
        char path[256];
        va_list ap;

        va_start(ap, format);
        vsnprintf(path, sizeof(path), format, ap);
        va_end(ap);
        if (try_write(path, text) < 0)
                die("writing %s to %s", text, path);
}

static unsigned long read_number(const char *pf, const char *file) {
        char path[256], text[32] = "";

        snprintf(path, sizeof(path), DEVICE "%s", pf, file);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
                die("reading %s", path);
        close(fd);
        return strtoul(text, NULL, 10);
}

/* The last part of what a link points to; false if there is no such link. */
static bool link_name(const char *device, const char *link, char *name, size_t size) {
        char path[256], target[256];

        snprintf(path, sizeof(path), DEVICE "%s", device, link);
        ssize_t n = readlink(path, target, sizeof(target) - 1);
        if (n < 0)
                return false;
        target[n] = '\0';
        const char *slash = strrchr(target, '/'), *last = slash ? slash + 1 : target;
        if (strlen(last) >= size) {
                errno = ENAMETOOLONG;
                return false;
        }
        memcpy(name, last, strlen(last) + 1);
        return true;
}

static int open_node(const char *path) {
        int fd = open(path, O_RDWR | O_CLOEXEC);

        if (fd < 0)
                die("opening %s", path);
        return fd;
}

/* A device that udev looks at just now answers "try again". */
static void control(int fd, unsigned long request, void *argument, const char *what, const char *device) {
        const struct timespec pause = { .tv_nsec = 1000000 };

        for (unsigned tries = 0; ioctl(fd, request, argument) < 0; tries++) {
                if ((errno != EAGAIN && errno != EBUSY) || tries >= 5000)
                        die("%s: %s", device, what);
                nanosleep(&pause, NULL);
        }
}

static void find_cdev(const struct vf *v, char *path, size_t size) {
        char directory[128];
        struct dirent *entry = NULL;

        snprintf(directory, sizeof(directory), DEVICE "vfio-dev", v->address);
        DIR *d = opendir(directory);
        while (d && (entry = readdir(d)) && strncmp(entry->d_name, "vfio", 4) != 0)
                ;
        if (!entry) {
                errno = ENOENT;
                die("%s has no device node", v->address);
        }
        snprintf(path, size, "/dev/vfio/devices/%s", entry->d_name);
        closedir(d);
}

static void fence_by_group(struct vf *v) {
        char path[64];

        snprintf(path, sizeof(path), "/dev/vfio/%s", v->group);
        v->fence = open_node(path);
        v->second = open_node("/dev/vfio/vfio");
        if (ioctl(v->fence, VFIO_GROUP_SET_CONTAINER, &v->second) < 0)
                die("%s: VFIO_GROUP_SET_CONTAINER", v->address);
        if (ioctl(v->second, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU) < 0)
                die("%s: VFIO_SET_IOMMU", v->address);
}

static void fence_by_cdev(struct vf *v) {
        struct {
                uint32_t argsz, flags;
                int32_t iommufd;
                uint32_t out_devid;
        } bind = { .argsz = sizeof(bind) };
        struct {
                uint32_t size, flags, out_ioas_id;
        } ioas = { .size = sizeof(ioas) };
        struct {
                uint32_t argsz, flags, pt_id;
        } attach = { .argsz = sizeof(attach) };
        char path[300];

        find_cdev(v, path, sizeof(path));
        v->fence = open_node(path);
        v->second = bind.iommufd = open_node("/dev/iommu");
        control(v->fence, BIND_IOMMUFD, &bind, "VFIO_DEVICE_BIND_IOMMUFD", v->address);
        control(v->second, IOAS_ALLOC, &ioas, "IOMMU_IOAS_ALLOC", v->address);
        attach.pt_id = ioas.out_ioas_id;
        control(v->fence, ATTACH_IOMMUFD, &attach, "VFIO_DEVICE_ATTACH_IOMMUFD_PT", v->address);
}

static void fence(struct vf *v) {
        by_iommufd ? fence_by_cdev(v) : fence_by_group(v);
}

static void unfence(struct vf *v) {
        if (v->fence >= 0)
                close(v->fence);
        if (v->second >= 0)
                close(v->second);
        v->fence = v->second = -1;
}

static void bind_vf(const struct vf *v) {
        char driver[64];

        write_text("vfio-pci", DEVICE "driver_override", v->address);
        write_text(v->address, "/sys/bus/pci/drivers_probe");
        if (!link_name(v->address, "driver", driver, sizeof(driver)) || strcmp(driver, "vfio-pci") != 0)
                die("%s is not bound to vfio-pci (is that loaded?)", v->address);
}

static void enable(struct pf *p) {
        char text[16];

        if (read_number(p->address, "sriov_numvfs") != 0) {
                errno = EBUSY;
                die("%s has VFs already", p->address);
        }
        p->autoprobe = read_number(p->address, "sriov_drivers_autoprobe") != 0;
        p->touched = true;
        write_text("0", DEVICE "sriov_drivers_autoprobe", p->address);
        snprintf(text, sizeof(text), "%u", p->vfs);
        write_text(text, DEVICE "sriov_numvfs", p->address);
}

static void find_vfs(const struct pf *p) {
        for (unsigned i = 0; i < p->vfs; i++) {
                struct vf *v = &vfs[n_vfs];
                char link[24];

                snprintf(link, sizeof(link), "virtfn%u", i);
                if (!link_name(p->address, link, v->address, sizeof(v->address)))
                        die("%s has no %s", p->address, link);
                if (!link_name(v->address, "iommu_group", v->group, sizeof(v->group)))
                        die("%s has no IOMMU group", v->address);
                v->fence = v->second = -1;
                n_vfs++;
        }
}

/* Everything as it was; what does not work is said and the rest done. */
static void undo(void) {
        for (unsigned i = 0; i < n_vfs; i++)
                unfence(&vfs[i]);
        n_vfs = 0;
        for (unsigned i = 0; i < n_pfs; i++) {
                char path[128];

                if (!pfs[i].touched)
                        continue;
                pfs[i].touched = false;
                snprintf(path, sizeof(path), DEVICE "sriov_numvfs", pfs[i].address);
                if (try_write(path, "0") < 0)
                        fprintf(stderr, "floor: cannot undo %s: %s\n", path, strerror(errno));
                snprintf(path, sizeof(path), DEVICE "sriov_drivers_autoprobe", pfs[i].address);
                if (try_write(path, pfs[i].autoprobe ? "1" : "0") < 0)
                        fprintf(stderr, "floor: cannot undo %s: %s\n", path, strerror(errno));
        }
}

static void start_up(void) {
        double begin = now_ms();
        for (unsigned i = 0; i < n_pfs; i++)
                enable(&pfs[i]);
        double enabled = now_ms();
        for (unsigned i = 0; i < n_pfs; i++)
                find_vfs(&pfs[i]);
        for (unsigned i = 0; i < n_vfs; i++)
                bind_vf(&vfs[i]);
        double bound = now_ms();
        for (unsigned i = 0; i < n_vfs; i++)
                fence(&vfs[i]);
        double fenced = now_ms();

        printf("vfs=%u\nenable=%.3f\nbind=%.3f\nfence=%.3f\ntotal=%.3f\n", n_vfs, enabled - begin,
               bound - enabled, fenced - bound, fenced - begin);
}

/* What is opened for, or given to, the next owner. */
static void hand_over(struct vf *v, enum hand_off how, int fds[2]) {
        struct {
                uint32_t size, option_id;
                uint16_t op, reserved;
                uint32_t object_id;
                uint64_t value;
        } per_process = { .size = sizeof(per_process), .value = 1 };
        char path[300];

        unfence(v);
        if (how == HAND_OFF_FD) {
                find_cdev(v, path, sizeof(path));
                fds[0] = open_node("/dev/iommu");
                control(fds[0], OPTION, &per_process, "IOMMU_OPTION_RLIMIT_MODE", v->address);
                fds[1] = open_node(path);
        } else {
                snprintf(path, sizeof(path), "/dev/vfio/%s", v->group);
                if (chmod(path, 0600) < 0 || chown(path, 3001, 3001) < 0)
                        die("giving %s away", path);
        }
}

static void reset(struct vf *v) {
        if (by_iommufd) {
                control(v->fence, VFIO_DEVICE_RESET, NULL, "VFIO_DEVICE_RESET", v->address);
                return;
        }
        int device = ioctl(v->fence, VFIO_GROUP_GET_DEVICE_FD, v->address);
        if (device < 0)
                die("%s: VFIO_GROUP_GET_DEVICE_FD", v->address);
        close(device);
}

/* Back from an owner that only held it: every descriptor made worthless, fenced, reset. */
static void take_back(struct vf *v, enum hand_off how, int fds[2]) {
        char path[64];

        if (how == HAND_OFF_FD) {
                close(fds[1]);
                close(fds[0]);
                write_text(v->address, "/sys/bus/pci/drivers/vfio-pci/unbind");
                bind_vf(v);
        } else {
                snprintf(path, sizeof(path), "/dev/vfio/%s", v->group);
                if (chown(path, 0, 0) < 0)
                        die("taking %s back", path);
        }
        fence(v);
        reset(v);
}

static int compare(const void *a, const void *b) {
        double x = *(const double *) a, y = *(const double *) b;

        return (x > y) - (x < y);
}

static double median(double *times, unsigned n) {
        qsort(times, n, sizeof(*times), compare);
        return times[n / 2];
}

/* Always the first VF: the daemon's pool hands out one after another, which is all the same to the kernel. */
static void measure_hand_off(enum hand_off how, unsigned rounds) {
        static double acquire[ROUNDS_MAX], reclaim[ROUNDS_MAX];
        int fds[2] = { -1, -1 };

        for (unsigned i = 0; i < rounds; i++) {
                double begin = now_ms();
                hand_over(&vfs[0], how, fds);
                double middle = now_ms();
                take_back(&vfs[0], how, fds);
                acquire[i] = middle - begin;
                reclaim[i] = now_ms() - middle;
        }
        printf("acquire=%.3f\nreclaim=%.3f\n", median(acquire, rounds), median(reclaim, rounds));
}

static void __attribute__((noreturn)) usage(int status) {
        fputs("floor [--iommufd] [--hand-off fd|node] [--rounds N] PF=VFS...\n\n"
              "Makes VFs, binds them to vfio-pci and fences each, prints the milliseconds of each phase, undoes\n"
              "it all. Each PF must have no VFs. With --hand-off also what one acquire and one return of a VF\n"
              "cost, median of N rounds (10).\n",
              status ? stderr : stdout);
        exit(status);
}

static void add_pf(char *argument) {
        char *equals = strchr(argument, '='), *end;

        if (!equals || n_pfs >= PFS_MAX)
                usage(64);
        *equals = '\0';
        unsigned long count = strtoul(equals + 1, &end, 10);
        unsigned total = 0;
        for (unsigned i = 0; i < n_pfs; i++)
                total += pfs[i].vfs;
        if (*end || count < 1 || total + count > VFS_MAX)
                usage(64);
        pfs[n_pfs++] = (struct pf){ .address = argument, .vfs = (unsigned) count };
}

/* Two descriptors a VF. */
static void raise_nofile(void) {
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
                limit.rlim_cur = limit.rlim_max;
                setrlimit(RLIMIT_NOFILE, &limit);
        }
}

static void parse_arguments(int argc, char *argv[], enum hand_off *how, unsigned *rounds) {
        static const struct option options[] = {
                { "iommufd", no_argument, NULL, 'i' },
                { "hand-off", required_argument, NULL, 'o' },
                { "rounds", required_argument, NULL, 'r' },
                { "help", no_argument, NULL, 'h' },
                { 0 },
        };
        int c;

        while ((c = getopt_long(argc, argv, "h", options, NULL)) >= 0)
                switch (c) {
                case 'i':
                        by_iommufd = true;
                        break;
                case 'o':
                        if (strcmp(optarg, "fd") != 0 && strcmp(optarg, "node") != 0)
                                usage(64);
                        *how = optarg[0] == 'f' ? HAND_OFF_FD : HAND_OFF_NODE;
                        break;
                case 'r':
                        *rounds = (unsigned) strtoul(optarg, NULL, 10);
                        if (*rounds < 1 || *rounds > ROUNDS_MAX)
                                usage(64);
                        break;
                case 'h':
                        usage(0);
                default:
                        usage(64);
                }
        if (optind == argc)
                usage(64);
        for (int i = optind; i < argc; i++)
                add_pf(argv[i]);
}

int main(int argc, char *argv[]) {
        enum hand_off how = HAND_OFF_NONE;
        unsigned rounds = 10;

        parse_arguments(argc, argv, &how, &rounds);
        raise_nofile();
        start_up();
        if (how != HAND_OFF_NONE)
                measure_hand_off(how, rounds);
        undo();
        return 0;
}
