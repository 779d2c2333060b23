/* SPDX-License-Identifier: GPL-2.0-or-later */
/* common/root: reading, writing and replacing files that never lie outside of the root. */

#include "common/root.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <string.h>
#include <sys/stat.h>

struct fixture {
        char base[32]; /* a temporary directory … */
        int root_fd;   /* … and base/root, open */
};

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        return remove(path);
}

static void put(const struct fixture *f, const char *path, const char *text) {
        char full[128];

        snprintf(full, sizeof(full), "%s/%s", f->base, path);
        _cleanup_fclose_ FILE *file = fopen(full, "w");
        assert_non_null(file);
        assert_true(fputs(text, file) >= 0);
}

static int setup(void **state) {
        static struct fixture f;
        char path[64];

        strcpy(f.base, "/tmp/test-root-XXXXXX");
        assert_non_null(mkdtemp(f.base));
        snprintf(path, sizeof(path), "%s/root", f.base);
        assert_int_equal(mkdir(path, 0755), 0);
        f.root_fd = root_open(path);
        assert_true(f.root_fd >= 0);
        assert_int_equal(mkdirat(f.root_fd, "sys", 0755), 0);
        put(&f, "secret", "outside\n");
        put(&f, "root/secret", "inside\n");
        put(&f, "root/sys/seven", "7\n");
        put(&f, "root/sys/minus", "-1\n");
        put(&f, "root/sys/vendor", "0x8086\n");
        put(&f, "root/sys/lines", "a\n\n");
        put(&f, "root/sys/empty", "");
        *state = &f;
        return 0;
}

static int teardown(void **state) {
        struct fixture *f = *state;

        close(f->root_fd);
        return nftw(f->base, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void reads(void **state) {
        struct fixture *f = *state;
        char buf[9] = "x";

        assert_int_equal(root_read(f->root_fd, buf, sizeof(buf), "sys/%s", "seven"), 0);
        assert_string_equal(buf, "7");
        assert_int_equal(root_read(f->root_fd, buf, sizeof(buf), "sys/lines"), 0);
        assert_string_equal(buf, "a\n");
        assert_int_equal(root_read(f->root_fd, buf, sizeof(buf), "sys/empty"), 0);
        assert_string_equal(buf, "");
        assert_int_equal(root_read(f->root_fd, buf, sizeof(buf), "/sys/vendor"), 0);
        assert_string_equal(buf, "0x8086");
        assert_int_equal(root_read(f->root_fd, buf, 8, "sys/vendor"), -EFBIG); /* no room to see the end */
        assert_string_equal(buf, "");
        assert_int_equal(root_read(f->root_fd, buf, sizeof(buf), "sys/none"), -ENOENT);
        assert_int_equal(root_read(f->root_fd, buf, sizeof(buf), "sys"), -EISDIR);
        assert_int_equal(root_read(f->root_fd, buf, sizeof(buf), "%600d", 1), -ENOENT);
}

static void reads_numbers(void **state) {
        struct fixture *f = *state;
        uint64_t v = 0;
        int i = 0;

        assert_int_equal(root_read_u64(f->root_fd, &v, "sys/seven"), 0);
        assert_int_equal(v, 7);
        assert_int_equal(root_read_u64(f->root_fd, &v, "sys/vendor"), 0);
        assert_int_equal(v, 0x8086);
        assert_int_equal(root_read_hex(f->root_fd, &v, "sys/vendor"), 0);
        assert_int_equal(v, 0x8086);
        assert_int_equal(root_read_u64(f->root_fd, &v, "sys/minus"), -EINVAL);
        assert_int_equal(root_read_u64(f->root_fd, &v, "sys/empty"), -EINVAL);
        assert_int_equal(root_read_int(f->root_fd, &i, "sys/minus"), 0);
        assert_int_equal(i, -1);
        assert_int_equal(root_read_int(f->root_fd, &i, "sys/seven"), 0);
        assert_int_equal(i, 7);
        put(f, "root/sys/big", "2147483648");
        assert_int_equal(root_read_int(f->root_fd, &i, "sys/big"), -ERANGE);
        assert_int_equal(root_read_int(f->root_fd, &i, "sys/none"), -ENOENT);
}

static void reads_all(void **state) {
        struct fixture *f = *state;
        _cleanup_free_ char *big = calloc(1, 10001), *text = NULL;
        char *none = NULL;
        size_t size;

        memset(big, 'x', 10000);
        put(f, "root/big", big);
        assert_int_equal(root_read_all(f->root_fd, "big", 10000, &text, &size), 0);
        assert_int_equal(size, 10000);
        assert_string_equal(text, big);
        assert_int_equal(root_read_all(f->root_fd, "big", 9999, &none, &size), -EFBIG);
        assert_int_equal(root_read_all(f->root_fd, "none", 9999, &none, &size), -ENOENT);
        assert_null(none);
}

/* Wherever a link or ".." points, it stays inside. */
static void stays_inside(void **state) {
        struct fixture *f = *state;
        char buf[16];

        assert_int_equal(symlinkat("/secret", f->root_fd, "absolute"), 0);
        assert_int_equal(symlinkat("../../../secret", f->root_fd, "relative"), 0);
        assert_int_equal(root_read(f->root_fd, buf, sizeof(buf), "absolute"), 0);
        assert_string_equal(buf, "inside");
        assert_int_equal(root_read(f->root_fd, buf, sizeof(buf), "relative"), 0);
        assert_string_equal(buf, "inside");
        assert_int_equal(root_read(f->root_fd, buf, sizeof(buf), "sys/../../secret"), 0);
        assert_string_equal(buf, "inside");
        assert_int_equal(root_replace(f->root_fd, "..", "secret", "new", 3, 0600), 0);
        assert_int_equal(root_read(f->root_fd, buf, sizeof(buf), "secret"), 0);
        assert_string_equal(buf, "new");
        assert_int_equal(root_unlink(f->root_fd, "../..", "secret"), 0);
        assert_false(root_exists(f->root_fd, "secret"));

        _cleanup_close_ int base = root_open(f->base);
        assert_int_equal(root_read(base, buf, sizeof(buf), "secret"), 0);
        assert_string_equal(buf, "outside");
}

static void follows_links(void **state) {
        struct fixture *f = *state;
        char buf[8];

        assert_int_equal(symlinkat("../../bus/pci/drivers/igb", f->root_fd, "sys/driver"), 0);
        assert_int_equal(symlinkat("igbvf", f->root_fd, "sys/bare"), 0);
        assert_int_equal(root_link_name(f->root_fd, buf, sizeof(buf), "sys/driver"), 0);
        assert_string_equal(buf, "igb");
        assert_int_equal(root_link_name(f->root_fd, buf, sizeof(buf), "sys/bare"), 0);
        assert_string_equal(buf, "igbvf");
        assert_int_equal(root_link_name(f->root_fd, buf, 5, "sys/bare"), -EFBIG);
        assert_int_equal(root_link_name(f->root_fd, buf, sizeof(buf), "sys/seven"), -EINVAL);
        assert_int_equal(root_link_name(f->root_fd, buf, sizeof(buf), "sys/none"), -ENOENT);
        assert_true(root_exists(f->root_fd, "sys/driver")); /* dangling, but there */
        assert_true(root_exists(f->root_fd, "sys"));
        assert_false(root_exists(f->root_fd, "sys/none"));
}

static void writes(void **state) {
        struct fixture *f = *state;
        char buf[8];

        assert_int_equal(root_write(f->root_fd, "4", "sys/seven"), 0);
        assert_int_equal(root_read(f->root_fd, buf, sizeof(buf), "sys/seven"), 0);
        assert_string_equal(buf, "4");
        assert_int_equal(root_write(f->root_fd, "4", "sys/none"), -ENOENT);
        assert_false(root_exists(f->root_fd, "sys/none"));
}

static void replaces(void **state) {
        struct fixture *f = *state;
        struct stat st;
        char buf[8];
        int entries = 0;

        assert_int_equal(mkdirat(f->root_fd, "leases", 0700), 0);
        assert_int_equal(root_replace(f->root_fd, "leases", "a.json", "one", 3, 0600), 0);
        assert_int_equal(root_replace(f->root_fd, "leases", "a.json", "2", 1, 0600), 0);
        assert_int_equal(root_read(f->root_fd, buf, sizeof(buf), "leases/a.json"), 0);
        assert_string_equal(buf, "2");
        assert_int_equal(fstatat(f->root_fd, "leases/a.json", &st, 0), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
        assert_int_equal(root_replace(f->root_fd, "none", "a.json", "2", 1, 0600), -ENOENT);

        _cleanup_closedir_ DIR *d = root_opendir(f->root_fd, "leases");
        assert_non_null(d);
        while (readdir(d))
                entries++;
        assert_int_equal(entries, 3); /* ".", ".." and a.json: no temporary file is left */

        assert_int_equal(root_unlink(f->root_fd, "leases", "a.json"), 0);
        assert_int_equal(root_unlink(f->root_fd, "leases", "a.json"), -ENOENT);
        errno = 0;
        assert_null(root_opendir(f->root_fd, "none"));
        assert_int_equal(errno, ENOENT);
}

/* A replacement that fails leaves the old file as it was. */
static void keeps_old_file(void **state) {
        struct fixture *f = *state;
        char buf[8];

        put(f, "root/sys/old", "old");
        assert_int_equal(mkdirat(f->root_fd, "sys/.old.tmp", 0755), 0); /* stands in the way */
        assert_int_equal(root_replace(f->root_fd, "sys", "old", "new", 3, 0600), -EISDIR);
        assert_int_equal(root_read(f->root_fd, buf, sizeof(buf), "sys/old"), 0);
        assert_string_equal(buf, "old");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(reads, setup, teardown),
                cmocka_unit_test_setup_teardown(reads_numbers, setup, teardown),
                cmocka_unit_test_setup_teardown(reads_all, setup, teardown),
                cmocka_unit_test_setup_teardown(stays_inside, setup, teardown),
                cmocka_unit_test_setup_teardown(follows_links, setup, teardown),
                cmocka_unit_test_setup_teardown(writes, setup, teardown),
                cmocka_unit_test_setup_teardown(replaces, setup, teardown),
                cmocka_unit_test_setup_teardown(keeps_old_file, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
