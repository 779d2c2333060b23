/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A change set against a kernel that applies a message attribute by attribute and stops at the first error
 * without undoing (net/core/rtnetlink.c:do_setvfinfo). So what counts is what is read back. */

#include "sriov/netvf-apply.h"
#include "common/limits.h"
#include "common/macro.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define MESSAGE_VFS 256U /* VFs in one message: their list has a length of 16 bits, too */
#define RATES       (ATTR_MIN_TX | ATTR_MAX_TX)

/* One change set under way. */
struct work {
        const struct netvf_kernel *kernel;
        struct vf_change *changes;
        size_t n;
        struct vf_attributes *want;   /* of each change */
        struct vf_attributes *before; /* of each change */
        struct vf_attributes *now;    /* by index */
        struct vf_change *message;    /* of n_message */
        size_t n_message, n_now;
};

static void work_done(struct work *w) {
        free(w->want);
        free(w->before);
        free(w->now);
        free(w->message);
}

static int work_init(struct work *w) {
        for (size_t i = 0; i < w->n; i++)
                w->n_now = MAX(w->n_now, (size_t) w->changes[i].index + 1);
        w->want = calloc(w->n, sizeof(*w->want));
        w->before = calloc(w->n, sizeof(*w->before));
        w->now = calloc(w->n_now, sizeof(*w->now));
        w->message = calloc(w->n, sizeof(*w->message));
        return w->want && w->before && w->now && w->message ? 0 : -ENOMEM;
}

static const struct vf_attributes *now_of(const struct work *w, size_t i) {
        return &w->now[w->changes[i].index];
}

static int look_once(struct work *w) {
        memset(w->now, 0, w->n_now * sizeof(*w->now));
        return w->kernel->read(w->kernel->userdata, w->now, w->n_now);
}

/* Some drivers tell nothing of a VF while they reset it (i40e, ice), and the kernel leaves it out without a
 * word. */
static bool misses_one(const struct work *w) {
        for (size_t i = 0; i < w->n; i++)
                if (w->changes[i].mode != VF_CHANGE_READ && now_of(w, i)->set == 0)
                        return true;
        return false;
}

static bool is_busy(int r) {
        return r == -EAGAIN || r == -EBUSY;
}

static int look(struct work *w) {
        int r = look_once(w);

        while ((is_busy(r) || (r >= 0 && misses_one(w))) && w->kernel->wait(w->kernel->userdata))
                r = look_once(w);
        return r;
}

/* Only what differs is told: drivers refuse what they do not know, even if it is as they have it. */
static bool to_tell(const struct vf_attributes *want, const struct vf_attributes *now,
                    struct vf_attributes *ret) {
        *ret = *want;
        ret->set = attributes_difference(want, now);
        if (ret->set & RATES) { /* one attribute of the kernel's: the other half stays */
                ret->min_tx_mbps = want->set & ATTR_MIN_TX ? want->min_tx_mbps : now->min_tx_mbps;
                ret->max_tx_mbps = want->set & ATTR_MAX_TX ? want->max_tx_mbps : now->max_tx_mbps;
        }
        return ret->set != 0;
}

/* A driver that is busy with a VF says EAGAIN (i40e while one is being reset). Telling it all again does no
 * harm. */
static int send_patiently(const struct work *w, const struct vf_change *message, size_t n) {
        int r = w->kernel->send(w->kernel->userdata, message, n);

        while (is_busy(r) && w->kernel->wait(w->kernel->userdata))
                r = w->kernel->send(w->kernel->userdata, message, n);
        return r;
}

/* All that differs, in as few messages as that takes. */
static int send_all(struct work *w) {
        int r = 0;

        w->n_message = 0;
        for (size_t i = 0; i < w->n; i++) {
                struct vf_change *m = &w->message[w->n_message];

                m->index = w->changes[i].index;
                if (w->changes[i].mode != VF_CHANGE_READ &&
                    to_tell(&w->want[i], now_of(w, i), &m->attributes))
                        w->n_message++;
        }
        for (size_t i = 0; i < w->n_message && r >= 0; i += MESSAGE_VFS)
                r = send_patiently(w, w->message + i, MIN(w->n_message - i, (size_t) MESSAGE_VFS));
        return r;
}

static int send_one(const struct work *w, size_t i, const struct vf_attributes *want,
                    const struct vf_attributes *now) {
        struct vf_change m = { .index = w->changes[i].index };

        return to_tell(want, now, &m.attributes) ? send_patiently(w, &m, 1) : 0;
}

/* Some drivers refuse to take a MAC away: then one that is nobody's, which the next owner does not know
 * either. */
static int restore_mac(const struct work *w, size_t i, const struct vf_attributes *now) {
        struct vf_attributes mac = w->want[i];

        mac.set = ATTR_MAC;
        int r = send_one(w, i, &mac, now);
        if (r >= 0 || mac_is_unicast(mac.mac))
                return r;
        if (getrandom(mac.mac.byte, sizeof(mac.mac.byte), 0) != sizeof(mac.mac.byte))
                return -EIO;
        mac.mac.byte[0] = (uint8_t) ((mac.mac.byte[0] & 0xfc) | 0x02); /* unicast, locally administered */
        r = send_one(w, i, &mac, now);
        if (r >= 0)
                w->want[i].mac = mac.mac;
        return r;
}

/* Attribute by attribute, so that one that cannot be had does not keep the others as they are. The first
 * error is told. To restore: a driver that cannot set an attribute has not set it for anybody. */
static int tell_singly(const struct work *w, size_t i, const struct vf_attributes *now) {
        static const uint32_t order[] = { ATTR_VLAN,        RATES,           ATTR_TRUST,
                                          ATTR_SPOOF_CHECK, ATTR_LINK_STATE, ATTR_RSS_QUERY,
                                          ATTR_MAX_IO_EQS,  ATTR_MAC,        ATTR_FUNCTION_STATE };
        const uint32_t forgiven = ATTR_SPOOF_CHECK | ATTR_LINK_STATE | ATTR_RSS_QUERY | ATTR_MAX_IO_EQS;
        bool restore = w->changes[i].mode == VF_CHANGE_RESTORE;
        int first = 0;

        FOREACH_ARRAY(bits, order, ARRAY_SIZE(order)) {
                struct vf_attributes want = w->want[i];

                want.set &= *bits;
                int r = restore && want.set == ATTR_MAC ? restore_mac(w, i, now) : send_one(w, i, &want, now);
                if (restore && r == -EOPNOTSUPP && *bits & forgiven)
                        w->want[i].set &= ~*bits;
                else if (r < 0 && first == 0)
                        first = r;
        }
        return first;
}

static bool is_as_wanted(const struct work *w, size_t i) {
        return w->changes[i].mode == VF_CHANGE_READ || attributes_difference(&w->want[i], now_of(w, i)) == 0;
}

/* As a whole; if the driver cannot, without what is only wished for. */
static int set_one(const struct work *w, size_t i, const struct vf_attributes *now) {
        int r = send_one(w, i, &w->want[i], now);

        if ((r != -EOPNOTSUPP && r != -EPROTONOSUPPORT) || !(w->want[i].set & w->changes[i].wish))
                return r;
        w->want[i].set &= ~w->changes[i].wish;
        r = send_one(w, i, &w->want[i], now);
        for (uint32_t bit = 1; bit <= ATTR_ALL; bit <<= 1) /* those of them that it can */
                if (bit & w->changes[i].wish & w->changes[i].attributes.set) {
                        struct vf_attributes one = w->changes[i].attributes;

                        one.set &= bit;
                        (void) send_one(w, i, &one, now);
                }
        return r;
}

/* Each VF that is not as wanted, alone. */
static void send_each(struct work *w) {
        for (size_t i = 0; i < w->n; i++)
                if (!is_as_wanted(w, i))
                        w->changes[i].error = w->changes[i].mode == VF_CHANGE_SET
                                                              ? set_one(w, i, now_of(w, i))
                                                              : tell_singly(w, i, now_of(w, i));
}

/* What could not be set as a whole is set back; true if there is any. */
static bool undo(struct work *w) {
        bool any = false;

        for (size_t i = 0; i < w->n; i++)
                if (w->changes[i].error < 0 && w->changes[i].mode == VF_CHANGE_SET) {
                        (void) send_one(w, i, &w->before[i], now_of(w, i)); /* reclaiming must succeed */
                        any = true;
                }
        return any;
}

/* igb refuses every rate while its link is down, also none (igb_main.c:igb_ndo_set_vf_bw()). */
static bool waits_for_link(const struct work *w, const struct vf_change *c) {
        return c->error == -EINVAL && !(c->failed & ~RATES) && w->kernel->link_down &&
               w->kernel->link_down(w->kernel->userdata);
}

static void judge(struct work *w) {
        for (size_t i = 0; i < w->n; i++) {
                struct vf_change *c = &w->changes[i];

                c->failed = is_as_wanted(w, i) ? 0 : attributes_difference(&w->want[i], now_of(w, i));
                if (!c->failed)
                        c->error = 0;
                else if (c->error == 0)
                        c->error = -EIO; /* the driver said yes and did not */
                else if (waits_for_link(w, c))
                        c->error = -ENETDOWN;
        }
}

/* What each change wants, by its mode. */
static void begin(struct work *w) {
        for (size_t i = 0; i < w->n; i++) {
                struct vf_change *c = &w->changes[i];

                c->error = 0;
                c->failed = 0;
                w->before[i] = *now_of(w, i);
                w->want[i] = c->attributes;
                if (w->before[i].set == 0) /* the kernel tells nothing of this VF */
                        continue;
                if (c->mode == VF_CHANGE_RESTORE)
                        w->want[i].set &= w->before[i].set;
                else /* what the driver does not report it cannot do */
                        w->want[i].set &= w->before[i].set | ~attributes_harmless(&c->attributes);
        }
}

static int apply(struct work *w, const char **step) {
        *step = "reading the attributes";
        int r = look(w);
        if (r < 0)
                return r;
        begin(w);
        r = send_all(w);
        bool told = w->n_message > 0;
        *step = "reading the attributes back";
        if (told && (r = look(w)) < 0)
                return r;
        judge(w);
        bool all = true;
        for (size_t i = 0; i < w->n; i++)
                all = all && w->changes[i].error == 0;
        if (all)
                return 0;
        send_each(w);
        r = look(w);
        if (r < 0)
                return r;
        judge(w);
        return undo(w) ? look(w) : 0;
}

int netvf_apply_to(const struct netvf_kernel *kernel, struct vf_change *changes, size_t n,
                   const char **step) {
        _cleanup_(work_done) struct work w = { .kernel = kernel, .changes = changes, .n = n };

        *step = "out of memory";
        int r = n > 0 ? work_init(&w) : 0;
        if (r >= 0 && n > 0)
                r = apply(&w, step);
        for (size_t i = 0; r >= 0 && i < n; i++)
                changes[i].attributes = *now_of(&w, i);
        return r;
}
