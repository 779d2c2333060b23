/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* How a change set is carried out, apart from the messages: so that it can be shown against any driver. */

#include "common/attributes.h"

struct netvf_kernel {
        /* All VFs by index, below n; those that it does not report, or not just now, get .set = 0. 0 or
         * -errno. */
        int (*read)(void *userdata, struct vf_attributes *ret, size_t n);
        /* Tells the attributes of .set of each change, in one message, one after another up to the first
         * that fails. 0 or the kernel's -errno. */
        int (*send)(void *userdata, const struct vf_change *changes, size_t n);
        /* False once it has waited long enough for a driver that is busy. */
        bool (*wait)(void *userdata);
        /* True if the PF's link was down when it was read, once at least. NULL: nothing depends on it. */
        bool (*link_down)(void *userdata);
        void *userdata;
};

/* As netvf_apply(). */
int netvf_apply_to(const struct netvf_kernel *kernel, struct vf_change *changes, size_t n, const char **step);
