/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Simulated NVMe controllers: the commands and the state that they change. */

#include "simcontroller.h"
#include "common/json.h"
#include "simcontroller-rules.h"
#include "simfault.h"
#include "simvf.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

const char *controller_verb(enum verb v) {
        static const char *const names[] = {
#define X(verb, name) name,
                VERBS(X)
#undef X
        };

        return names[v];
}

static int lock_state(const struct sim *s, struct address pf) {
        int fd = openat(s->root, pathf("sim/pf/%s/nvme.lock", ADDRESS_STR(pf)), O_RDWR | O_CREAT | O_CLOEXEC,
                        0666);

        while (fd >= 0 && flock(fd, LOCK_EX) < 0 && errno == EINTR)
                ;
        return fd;
}

static json_t *load(const struct sim *s, struct address pf) {
        _cleanup_close_ int fd =
                        openat(s->root, pathf("sim/pf/%s/nvme", ADDRESS_STR(pf)), O_RDONLY | O_CLOEXEC);

        return fd < 0 ? NULL : json_loadfd(fd, 0, NULL);
}

static void save(const struct sim *s, struct address pf, const json_t *state) {
        const char *file = pathf("sim/pf/%s/nvme", ADDRESS_STR(pf)), *new = pathf("%s.new", file);
        _cleanup_free_ char *text = json_dumps(state, 0);

        if (!text || tree_write(s, new, text, 0666) < 0 || renameat(s->root, new, s->root, file) < 0)
                perror("simworker: sim/pf/nvme");
}

static unsigned count_vfs(const struct sim *s, struct address pf) {
        return (unsigned) tree_number(s, pathf(DEVICE "/sriov_numvfs", ADDRESS_STR(pf)), 0);
}

/* Reads that only go on are hit by name alone: there are many, and nothing changes between them. */
static bool names_it(const char *name, enum verb v) {
        return name ? strcmp(name, controller_verb(v)) == 0 : v != VERB_READ && v != VERB_HEALTH;
}

static bool differs(const json_t *failure, const char *key, uint64_t value) {
        return json_object_get(failure, key) && number(failure, key) != value;
}

/* The first of "fail" that hits, as it was before it counted; the caller's. */
static json_t *take_failure(json_t *state, const struct command *c) {
        json_t *fail = json_object_get(state, "fail"), *one;
        size_t i;

        json_array_foreach(fail, i, one) {
                const char *name = json_string_value(json_object_get(one, "command"));
                uint64_t after = number(one, "after"), count = number(one, "count");

                if (!names_it(name, c->verb) || differs(one, "controller", c->controller) ||
                    differs(one, "nsid", c->nsid) || differs(one, "value", c->value))
                        continue;
                if (after > 0) {
                        set_number(one, "after", after - 1);
                        continue;
                }
                json_t *hit = json_copy(one);
                if (count > 1)
                        set_number(one, "count", count - 1);
                else if (count == 1)
                        json_array_remove(fail, i);
                return hit;
        }
        return NULL;
}

static json_t *look_for_failure(const struct sim *s, struct address pf, const struct command *c) {
        _cleanup_close_ int lock = lock_state(s, pf);
        _cleanup_json_ json_t *state = lock < 0 ? NULL : load(s, pf);
        json_t *hit = state ? take_failure(state, c) : NULL;

        if (state && json_array_size(json_object_get(state, "fail")) + (hit != NULL) > 0)
                save(s, pf, state); /* the counters */
        return hit;
}

static void take_time(const struct sim *s, const json_t *failure) {
        usleep((useconds_t) number(failure, "delay") * 1000);
        while (number(failure, "hang") && !tree_exists(s, "sim/unhang") && tree_exists(s, "sim"))
                usleep(2000);
}

static void log_command(const struct sim *s, struct address pf, const struct command *c, int status) {
        _cleanup_close_ int fd = openat(s->root, pathf("sim/pf/%s/nvme.log", ADDRESS_STR(pf)),
                                        O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
        const char *line = pathf("%s %u %u %llu %x\n", controller_verb(c->verb), c->controller, c->nsid,
                                 (unsigned long long) c->value, (unsigned) status);

        if (fd < 0 || write(fd, line, strlen(line)) < 0)
                perror("simworker: sim/pf/nvme.log");
}

static int act(const struct sim *s, struct address pf, json_t *state, const json_t *failure,
               struct command *c) {
        int status = (int) number(failure, "status");

        if (status != 0)
                return status;
        if (number(failure, "ignore")) {
                c->result = c->value;
                return 0;
        }
        if (json_object_get(failure, "grant"))
                c->value = number(failure, "grant");
        return rules_apply(state, c, count_vfs(s, pf));
}

bool controller_is_there(const struct sim *s, struct address pf) {
        return tree_is_pf(s, pf) && strcmp(tree_driver(s, pf), "nvme") == 0;
}

int controller_do(const struct sim *s, struct address pf, struct command *c) {
        fault_between(s, "command");
        _cleanup_json_ json_t *failure = look_for_failure(s, pf, c);
        take_time(s, failure);
        _cleanup_close_ int lock = controller_is_there(s, pf) ? lock_state(s, pf) : -1;
        _cleanup_json_ json_t *state = lock < 0 ? NULL : load(s, pf);
        if (!state)
                return -ENODEV;
        int status = act(s, pf, state, failure, c);
        set_number(state, "commands", number(state, "commands") + 1);
        log_command(s, pf, c, status);
        save(s, pf, state);
        return status;
}

/* The state as it is now; parsed again only if it has changed, since a look takes as many commands as there
 * are namespaces. */
static const struct nvme_state *look(const struct sim *s, struct address pf, bool *ret_fails) {
        static struct nvme_state state;
        static struct address of;
        static struct stat seen;
        static bool fails;
        struct stat st;

        if (fstatat(s->root, pathf("sim/pf/%s/nvme", ADDRESS_STR(pf)), &st, 0) < 0)
                return NULL;
        if (!address_equal(of, pf) || st.st_ino != seen.st_ino || st.st_mtim.tv_sec != seen.st_mtim.tv_sec ||
            st.st_mtim.tv_nsec != seen.st_mtim.tv_nsec) {
                _cleanup_json_ json_t *text = load(s, pf);

                nvme_state_done(&state);
                state = (struct nvme_state){ 0 };
                if (text)
                        rules_identify(text, &state);
                fails = json_array_size(json_object_get(text, "fail")) > 0;
                of = pf;
                seen = st;
        }
        *ret_fails = fails;
        return &state;
}

int controller_read(const struct sim *s, struct address pf, const struct command *c,
                    const struct nvme_state **ret) {
        bool fails = false;

        *ret = controller_is_there(s, pf) ? look(s, pf, &fails) : NULL;
        if (!*ret || !fails)
                return *ret ? 0 : -ENODEV;
        _cleanup_json_ json_t *failure = look_for_failure(s, pf, c);
        take_time(s, failure);
        *ret = controller_is_there(s, pf) ? look(s, pf, &fails) : NULL;
        return *ret ? (int) number(failure, "status") : -ENODEV;
}

const char *controller_wrong(const struct sim *s, struct address pf) {
        _cleanup_json_ json_t *state = load(s, pf);
        const char *wrong = json_string_value(json_object_get(state, "wrong"));

        return pathf("%s", wrong ? wrong : "");
}

void controller_vfs(const struct sim *s, struct address pf, unsigned n) {
        _cleanup_close_ int lock =
                        tree_exists(s, pathf("sim/pf/%s/nvme", ADDRESS_STR(pf))) ? lock_state(s, pf) : -1;
        _cleanup_json_ json_t *state = lock < 0 ? NULL : load(s, pf);

        if (!state)
                return;
        rules_vfs(state, n);
        save(s, pf, state);
}
