/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asks for a lease and reads the answer, descriptors included. */

#include "cli/lease.h"
#include "cli/table.h"
#include "common/address.h"

#include <errno.h>
#include <string.h>

size_t lease_options(struct lease_ask *ask, struct option ret[LEASE_OPTIONS]) {
        size_t n = ask_options(&ask->what, ret);

        ret[n++] = (struct option){ "wait",      0,
                                    "SECONDS",   "wait in line for VFs (60 s), not refused",
                                    OPTION_WAIT, &ask->wait };
        ret[n++] = (struct option){ "keep",      0,         NULL, "the same VFs for the VM's next start",
                                    OPTION_FLAG, &ask->keep };
        return n;
}

int lease_ask_check(const struct verb *verb, struct lease_ask *ask) {
        if (ask->wait.given && !ask->wait.limited)
                ask->wait.seconds = WAIT_DEFAULT_SECONDS;
        if (ask->memory > INT64_MAX)
                return usage_error(verb, "--memory is too large");
        return ask_check(verb, &ask->what);
}

static json_t *ask_to_json(const struct lease_ask *ask) {
        json_t *o = new_object();

        ask_put(&ask->what, true, o);
        put_int(o, "wait", ask->wait.given ? (int64_t) ask->wait.seconds : -1);
        put_flag(o, "keep", ask->keep);
        put_text(o, "hand_off", hand_off_to_string(ask->hand_off));
        put_text(o, "lifetime", ask->kept ? "kept" : "process");
        put_int(o, "pid", ask->pid);
        put_int(o, "uid", ask->uid);
        if (ask->memory > 0)
                put_int(o, "memory", (int64_t) ask->memory);
        return o;
}

static int bad_devices(const char *what) {
        print_error("vfctld sent a lease that vfctl cannot use: %s", what);
        print_hint("vfctl and vfctld should be of the same version");
        return EXIT_FAILED;
}

int lease_find_device(const struct lease_got *l, const char *address, struct leased_vf_record *ret) {
        json_t *e;
        size_t i;

        json_array_foreach(l->leased, i, e) {
                if (record_leased_vf(e, ret) < 0)
                        return -EPROTO;
                if (strcmp(ret->address, address) == 0)
                        return 0;
        }
        bad_devices("it says nothing of one of its devices");
        return -EPROTO;
}

/* An index of the reply as a descriptor; each is used once. */
static int fd_at(const struct lease_got *l, int64_t index, bool used[MESSAGE_FDS_MAX], int *ret) {
        if (index < 0 || (uint64_t) index >= l->n_fds || used[index])
                return bad_devices("the file descriptors do not fit the devices");
        used[index] = true;
        *ret = l->fds[index];
        return 0;
}

static int read_device(struct lease_got *l, json_t *v, bool used[MESSAGE_FDS_MAX]) {
        struct vmm_device *d = l->devices + l->n_devices++;
        struct device_record rec = { 0 };
        struct leased_vf_record more = { 0 };
        struct address a;
        int r;

        if (record_device(v, &rec) < 0)
                return EXIT_FAILED;
        /* It goes into command lines: nothing but an address may. */
        if (address_parse(rec.address, &a) < 0)
                return bad_devices("a device has no PCI address");
        if (lease_find_device(l, rec.address, &more) < 0)
                return EXIT_FAILED;
        *d = (struct vmm_device){ .address = rec.address, .group = -1, .device_fd = -1, .iommufd_fd = -1 };
        if (rec.group >= 0 && rec.group <= INT32_MAX)
                d->group = (int) rec.group;
        if (l->hand_off == HAND_OFF_NODE) {
                d->node = rec.node;
                return rec.node ? 0 : bad_devices("a device has no node");
        }
        r = fd_at(l, rec.device_fd, used, &d->device_fd);
        return r == 0 ? fd_at(l, rec.iommufd_fd, used, &d->iommufd_fd) : r;
}

static int read_lease(struct lease_got *l, const struct lease_ask *ask) {
        bool used[MESSAGE_FDS_MAX] = { false };
        struct lease_record lease = { 0 };
        json_t *o, *devices, *e;
        size_t i;
        int r = 0;

        if (record_object(l->reply, "lease", &o) < 0 || record_lease(o, &lease) < 0 ||
            record_array(l->reply, "devices", &devices) < 0)
                return EXIT_FAILED;
        l->id = lease.id;
        l->leased = lease.devices;
        l->hand_off = hand_off_from_string(lease.hand_off);
        if (l->hand_off == _HAND_OFF_MAX || l->hand_off == HAND_OFF_AUTO ||
            (ask->hand_off != HAND_OFF_AUTO && l->hand_off != ask->hand_off))
                return bad_devices("the hand-off is another than asked for");
        if (json_array_size(devices) != ask->what.total)
                return bad_devices("the number of devices is another than asked for");
        json_array_foreach(devices, i, e)
                if ((r = read_device(l, e, used)) != 0)
                        return r;
        return 0;
}

int lease_acquire(struct client *c, const struct lease_ask *ask, struct lease_got *ret) {
        ret->n_fds = ARRAY_SIZE(ret->fds);
        c->patience = ask->wait.given ? "waiting in line for VFs; Ctrl-C leaves it" : NULL;
        int r = client_call_fds(c, "Acquire", ask_to_json(ask), &ret->reply, ret->fds, &ret->n_fds);

        if (!ret->reply)
                ret->n_fds = 0; /* errors carry none */
        return r != 0 ? r : read_lease(ret, ask);
}

void lease_got_done(struct lease_got *l) {
        FOREACH_ARRAY(fd, l->fds, l->n_fds)
                close(*fd);
        json_decref(l->reply);
        *l = (struct lease_got){ 0 };
}
