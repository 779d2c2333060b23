/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sriov/representor.h"
#include "common/macro.h"
#include "common/root.h"
#include "common/text.h"

#include <errno.h>
#include <string.h>

#define DIGITS_MAX 9U

/* A decimal number as the kernel prints one: no sign, no zero in front. */
static bool take_number(const char **s, uint32_t *ret) {
        size_t n = strspn(*s, "0123456789");
        uint32_t v = 0;

        if (n == 0 || n > DIGITS_MAX || (n > 1 && **s == '0'))
                return false;
        for (size_t i = 0; i < n; i++)
                v = v * 10 + (uint32_t) ((*s)[i] - '0');
        *s += n;
        *ret = v;
        return true;
}

static bool take_word(const char **s, const char *word) {
        size_t n = strlen(word);

        if (strncmp(*s, word, n) != 0)
                return false;
        *s += n;
        return true;
}

static bool take_function(const char **s, struct port_name *p) {
        p->kind = PORT_PF;
        if (!take_number(s, &p->pf))
                return false;
        if (take_word(s, "vf"))
                p->kind = PORT_VF;
        else if (take_word(s, "sf"))
                p->kind = PORT_SF;
        return p->kind == PORT_PF || take_number(s, &p->number);
}

static bool take_physical(const char **s, struct port_name *p) {
        uint32_t split;

        p->kind = PORT_PHYSICAL;
        if (!take_number(s, &p->number))
                return false;
        if (!take_word(s, "s"))
                return true;
        if (!take_number(s, &split))
                return false;
        p->split = (int32_t) split;
        return true;
}

int port_name_parse(const char *s, struct port_name *ret) {
        struct port_name p = { .split = -1 };

        p.external = take_word(&s, "c");
        if (p.external && !take_number(&s, &p.controller))
                return -EINVAL;
        if (take_word(&s, "pf")) {
                if (!take_function(&s, &p))
                        return -EINVAL;
        } else if (p.external || !take_word(&s, "p") || !take_physical(&s, &p))
                return -EINVAL;
        if (*s)
                return -EINVAL;
        *ret = p;
        return 0;
}

int representor_switch_id(int root_fd, const char *netdev, char ret[SWITCH_ID_MAX]) {
        int r = root_read(root_fd, ret, SWITCH_ID_MAX, "sys/class/net/%s/phys_switch_id", netdev);

        return r < 0 ? r : ret[0] ? 0 : -EOPNOTSUPP;
}

static bool is_wanted(const struct port_name *p, int64_t controller, uint32_t pf) {
        return p->kind == PORT_VF && p->pf == pf &&
               (controller < 0 ? !p->external : p->external && p->controller == controller);
}

int representor_find(int root_fd, const char *switch_id, int64_t controller, uint32_t pf,
                     char (*names)[IFNAME_MAX], size_t n) {
        _cleanup_closedir_ DIR *d = root_opendir(root_fd, "sys/class/net");
        struct dirent *e;

        if (!d)
                return -errno;
        for (size_t i = 0; i < n; i++)
                names[i][0] = '\0';
        while ((e = readdir(d))) {
                char id[SWITCH_ID_MAX], text[IFNAME_MAX];
                struct port_name p;

                if (e->d_name[0] == '.' || representor_switch_id(root_fd, e->d_name, id) < 0 ||
                    strcmp(id, switch_id) != 0 ||
                    root_read(root_fd, text, sizeof(text), "sys/class/net/%s/phys_port_name", e->d_name) <
                                    0 ||
                    port_name_parse(text, &p) < 0 || !is_wanted(&p, controller, pf) || p.number >= n)
                        continue;
                if (names[p.number][0])
                        return -EEXIST;
                text_copy(names[p.number], IFNAME_MAX, e->d_name);
        }
        return 0;
}
