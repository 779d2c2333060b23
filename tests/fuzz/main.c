/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Runs a fuzz target over every file of the named files and directories, once each; fails if there is none.
 */

#include "common/macro.h"
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <string.h>

#define CORPUS_FILE_MAX (1024U * 1024U)

static int run_file(const char *path) {
        _cleanup_free_ uint8_t *data = malloc(CORPUS_FILE_MAX);
        _cleanup_fclose_ FILE *f = fopen(path, "re");

        if (!f || !data) {
                fprintf(stderr, "%s: cannot read\n", path);
                return -EIO;
        }
        size_t size = fread(data, 1, CORPUS_FILE_MAX, f);
        /* no byte behind the end, so that the sanitizer sees reading past it */
        _cleanup_free_ uint8_t *exact = malloc(MAX(size, (size_t) 1));
        if (!exact)
                return -ENOMEM;
        memcpy(exact, data, size);
        LLVMFuzzerTestOneInput(exact, size);
        return 1;
}

static int run_directory(DIR *d, const char *path) {
        int n = 0;

        for (struct dirent *e; (e = readdir(d));) {
                char file[4096];

                if (e->d_name[0] == '.')
                        continue;
                if ((size_t) snprintf(file, sizeof(file), "%s/%s", path, e->d_name) >= sizeof(file))
                        return -ENAMETOOLONG;
                int r = run_file(file);
                if (r < 0)
                        return r;
                n += r;
        }
        return n;
}

int main(int argc, char *argv[]) {
        int total = 0;

        for (int i = 1; i < argc; i++) {
                _cleanup_closedir_ DIR *d = opendir(argv[i]);
                int n = d ? run_directory(d, argv[i]) : run_file(argv[i]);

                if (n < 0)
                        return EXIT_FAILURE;
                total += n;
        }
        printf("%d inputs\n", total);
        return total > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
