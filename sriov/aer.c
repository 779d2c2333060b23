/* SPDX-License-Identifier: GPL-2.0-or-later */
/* aer_dev_correctable, aer_dev_nonfatal, aer_dev_fatal. */

#include "sriov/aer.h"
#include "common/macro.h"
#include "common/root.h"
#include "common/text.h"

#include <errno.h>
#include <string.h>

/* Lines like "RxErr 0", the sum last: "TOTAL_ERR_COR 0"
 * (Documentation/ABI/testing/sysfs-bus-pci-devices-aer_stats). */
static int read_total(int root_fd, struct address a, const char *file, const char *key, uint64_t *ret) {
        _cleanup_free_ char *text = NULL;
        char path[96], *rest = NULL;

        snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/%s", ADDRESS_STR(a), file);
        int r = root_read_all(root_fd, path, 4096, &text, NULL);
        for (char *line = r < 0 ? NULL : strtok_r(text, "\n", &rest); line;
             line = strtok_r(NULL, "\n", &rest)) {
                char *blank = strchr(line, ' ');

                if (blank && (size_t) (blank - line) == strlen(key) && strncmp(line, key, strlen(key)) == 0)
                        return parse_u64(blank + 1, 10, ret);
        }
        return r < 0 ? r : -ENOENT;
}

int aer_read(int root_fd, struct address a, struct aer_counts *ret) {
        struct aer_counts c;

        int r = read_total(root_fd, a, "aer_dev_correctable", "TOTAL_ERR_COR", &c.correctable);
        if (r >= 0)
                r = read_total(root_fd, a, "aer_dev_nonfatal", "TOTAL_ERR_NONFATAL", &c.nonfatal);
        if (r >= 0)
                r = read_total(root_fd, a, "aer_dev_fatal", "TOTAL_ERR_FATAL", &c.fatal);
        if (r >= 0)
                *ret = c;
        return r;
}
