/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Faults on demand and the record of what was done.
 *
 * sim/faults: one fault a line, words of the form key=value. op= and address= select (globs; left out: any),
 * value= too (a number). after=N: let N hits pass first; count=N: only N times. What happens: error=ENAME
 * reason=NAME detail=WORD   the operation fails and has no effect (late=1: it has its effect, then fails)
 *   delay=MS                              it takes so long before it begins (delay-after=MS: before it is
 * answered) hang=1                                it begins when sim/unhang exists, and no signal but SIGKILL
 * ends it before silent=1                              bind: nothing happens, as when the driver's probe
 * fails exit=before|after                     the worker ends before, or after the effect and before the
 * answer short=1, badid=1                      the answer is cut, or belongs to no request
 *   reply=N                               the first value of the answer, whatever it should be
 *   die=before|during|after               the daemon is killed: the request is lost; carried out all the
 * same; carried out, then the daemon dies and never sees the answer sim/log: one line an operation, when it
 * ends: "seq op address value = error from=USEC to=USEC pid=PID text=TEXT", seq without gaps, error 0 or a
 * name like EBUSY. A hit of a fault has a line of its own before that: "seq ! op address". */

#include "daemon/worker-protocol.h"
#include "simtree.h"

enum fault_when { FAULT_NEVER, FAULT_BEFORE, FAULT_DURING, FAULT_AFTER };

/* Dies between two steps of one operation if it is time: sim/die_at_<what> counts them down to the daemon's
 * death. The worker ends with it if sim/worker_dies is there, else it goes on, as one does that systemd
 * started. sim/exit_at_<what> counts down to the end of the worker alone. */
void fault_between(const struct sim *s, const char *what);

struct fault {
        int error; /* positive errno, 0 none */
        enum reason reason;
        char detail[64];
        bool late, hang, silent, cut, badid, replies;
        uint64_t reply;
        unsigned delay_ms, delay_after_ms;
        enum fault_when exit, die;
};

/* True if a fault applies to the request; its counters are brought up to date. */
bool fault_take(const struct sim *s, const struct worker_request *q, struct fault *ret);

/* Opens the record; everything of it is lock-free, so that thousands of operations cost little. */
int record_open(const struct sim *s);
void record_fault(const struct worker_request *q);
void record_done(const struct worker_request *q, const struct worker_reply *p, uint64_t began_usec);
uint64_t now_usec(void);
