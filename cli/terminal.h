/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The terminal while something is drawn on it again and again, and what may end that: a key, a signal. */

#include <stdbool.h>
#include <stdint.h>

enum happening {
        HAPPENED_NOTHING, /* the time is up */
        HAPPENED_INPUT,   /* the descriptor is readable */
        HAPPENED_RESIZE,
        HAPPENED_QUIT, /* the key q, or a signal that asks for the end */
};

/* From here on SIGINT, SIGTERM, SIGHUP and SIGQUIT end the process well: at once, or with live by having
 * terminal_wait() return, and a write that waits. With live, the terminal takes single keys; whatever ends
 * the process by exit() restores it. 0 or -errno. */
int terminal_start(bool live);
void terminal_end(void);

bool terminal_can_draw(void); /* stdout is a terminal that knows how */
unsigned terminal_rows(void);
void terminal_clear(void); /* before each drawing */

/* Waits until a time (usec, monotonic), for input on fd (-1: none), a key or a signal. */
enum happening terminal_wait(int fd, uint64_t until);
bool terminal_stopped(void); /* a signal asked for the end */
uint64_t terminal_now(void); /* usec, monotonic */
