/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What uevents of PCIe recovery become. A simulated host has none. */

#include "daemon/aer.h"
#include "daemon/events.h"
#include "daemon/lease.h"
#include "daemon/pf.h"
#include "tests/unit/faketree.h"
#include "tests/unit/test.h"

#include <stdio.h>
#include <string.h>

static struct told {
        unsigned n;
        bool vf; /* one of ours: its owner hears of it too */
        struct address address;
        char what[32], message[400];
} told;

static struct managed_vf vf;

static void note(bool of_vf, struct address a, const char *kind, const char *what, const char *message) {
        assert_string_equal(kind, "aer");
        told.n++;
        told.vf = of_vf;
        told.address = a;
        snprintf(told.what, sizeof(told.what), "%s", what);
        snprintf(told.message, sizeof(told.message), "%s", message);
}

void events_device(struct manager *m, const struct managed_vf *v, const char *kind, const char *what,
                   const char *message) {
        note(true, v->vf.address, kind, what, message);
}

void events_function(struct manager *m, const struct address *a, const char *kind, const char *what,
                     const char *message) {
        note(false, a ? *a : (struct address){ 0 }, kind, what, message);
}

struct managed_vf *manager_find_vf(struct manager *m, struct address a) {
        return address_equal(a, vf.vf.address) ? &vf : NULL;
}

struct lease *lease_of_vf(const struct managed_vf *v) {
        return NULL;
}

static struct address at(const char *text) {
        struct address a;

        assert_int_equal(address_parse(text, &a), 0);
        return a;
}

/* Two PFs below one port, one of them behind another bridge, and a third elsewhere, whose path nobody knows
 * yet. */
static struct managed_pf pfs[3];
static struct pf *list[] = { &pfs[0].pf, &pfs[1].pf, &pfs[2].pf };
static struct manager manager = { .root_fd = -1, .inventory = { .pfs = list, .n_pfs = 3 } };

static int set_up(void **state) {
        static const char *const names[] = { "0000:03:00.0", "0000:04:00.0", "0000:05:00.0" };
        static const char *const ports[] = { "0000:02:00.0", "0000:00:01.0" };

        vf.vf.address = at("0000:03:10.0");
        for (size_t i = 0; i < 3; i++) {
                struct pf *pf = &pfs[i].pf;

                pf->address = at(names[i]);
                if (i == 2)
                        continue;
                pf->path[pf->n_path++].address = pf->address;
                for (size_t k = i; k < 2; k++)
                        pf->path[pf->n_path++].address = at(ports[k]);
        }
        return 0;
}

static void recovers(const char *address, const char *event, bool of_vf, const char *message) {
        told = (struct told){ 0 };
        aer_recovery(&manager, at(address), event);
        assert_int_equal(told.n, 1);
        assert_true(address_equal(told.address, at(address)));
        assert_int_equal(told.vf, of_vf);
        assert_string_equal(told.what, "recovery");
        assert_string_equal(told.message, message);
}

static void tells_of_functions(void **state) {
        recovers("0000:03:10.0", "BEGIN_RECOVERY", true, "recovery: BEGIN_RECOVERY");
        recovers("0000:05:00.0", "SUCCESSFUL_RECOVERY", false, "recovery: SUCCESSFUL_RECOVERY");
}

static void tells_of_bridges(void **state) {
        recovers("0000:02:00.0", "FAILED_RECOVERY", false, "above 0000:03:00.0: recovery: FAILED_RECOVERY");
        recovers("0000:00:01.0", "BEGIN_RECOVERY", false,
                 "above 0000:03:00.0, 0000:04:00.0: recovery: BEGIN_RECOVERY");
}

static void leaves_others_alone(void **state) {
        told = (struct told){ 0 };
        aer_recovery(&manager, at("0000:06:00.0"), "BEGIN_RECOVERY");
        aer_recovery(&manager, at("0000:00:02.0"), "BEGIN_RECOVERY");
        assert_int_equal(told.n, 0);
}

static void write_counts(struct faketree *t, const char *address, unsigned n) {
        static const char *const files[][2] = { { "aer_dev_correctable", "COR" },
                                                { "aer_dev_nonfatal", "NONFATAL" },
                                                { "aer_dev_fatal", "FATAL" } };

        for (size_t i = 0; i < 3; i++) {
                char text[64];

                snprintf(text, sizeof(text), "RxErr %u\nTOTAL_ERR_%s %u\n", n, files[i][1], i == 1 ? n : 0);
                faketree_write(t, fake_device(address, files[i][0]), text);
        }
}

/* What was counted meanwhile is told at once. */
static void looks_at_the_counts(void **state) {
        struct faketree t;

        faketree_init(&t);
        manager.root_fd = t.fd;
        write_counts(&t, "0000:03:00.0", 7);
        recovers("0000:03:00.0", "BEGIN_RECOVERY", false, "recovery: BEGIN_RECOVERY"); /* the first look */
        write_counts(&t, "0000:03:00.0", 9);
        told = (struct told){ 0 };
        aer_recovery(&manager, at("0000:03:00.0"), "SUCCESSFUL_RECOVERY");
        assert_int_equal(told.n, 2);
        assert_string_equal(told.what, "nonfatal");
        assert_string_equal(told.message, "0 correctable, 2 nonfatal, 0 fatal more; 0, 9, 0 in all");
        manager.root_fd = -1;
        faketree_done(&t);
}

/* As many names as there is room for, none of them cut. */
static void names_no_half_pf(void **state) {
        static struct managed_pf many[64];
        static struct pf *all[64];

        for (size_t i = 0; i < 64; i++) {
                all[i] = &many[i].pf;
                all[i]->address = (struct address){ 0x10000, (uint8_t) i, 0, 0 };
                all[i]->n_path = 2;
                all[i]->path[1].address = at("0000:00:03.0");
        }
        struct manager m = { .root_fd = -1, .inventory = { .pfs = all, .n_pfs = 64 } };
        told = (struct told){ 0 };
        aer_recovery(&m, at("0000:00:03.0"), "BEGIN_RECOVERY");
        assert_int_equal(told.n, 1);
        assert_non_null(strstr(told.message, ".0: recovery: BEGIN_RECOVERY"));
        assert_in_range(strlen(told.message), 100, sizeof(told.message) - 1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(tells_of_functions),  cmocka_unit_test(tells_of_bridges),
                cmocka_unit_test(leaves_others_alone), cmocka_unit_test(looks_at_the_counts),
                cmocka_unit_test(names_no_half_pf),
        };

        return cmocka_run_group_tests(tests, set_up, NULL);
}
