/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The terminal while something is drawn on it. What was there before scrolls away and stays; messages on
 * stderr come below the last drawing. */

#include "cli/terminal.h"
#include "common/macro.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>

#define HIDE_CURSOR "\033[?25l"
#define SHOW_CURSOR "\033[?25h"
#define NO_WRAP     "\033[?7l" /* long lines end at the margin */
#define WRAP        "\033[?7h"
#define CLEAR       "\033[H\033[2J"

static struct termios before;
static volatile sig_atomic_t keys, drawing;
static int wake_fd = -1;
static volatile sig_atomic_t stopped, resized;

static void on_signal(int number) {
        const uint64_t one = 1;
        int saved = errno;

        if (!drawing) /* nothing to restore, and a reader that does not read must not keep us */
                _exit(EXIT_SUCCESS);
        if (number != SIGWINCH && stopped) { /* the terminal takes nothing any more */
                if (keys)
                        tcsetattr(STDIN_FILENO, TCSANOW, &before);
                _exit(EXIT_FAILURE);
        }
        if (number == SIGWINCH)
                resized = 1;
        else
                stopped = 1;
        ssize_t n = write(wake_fd, &one, sizeof(one));
        (void) n; /* full: then it is readable already */
        errno = saved;
}

uint64_t terminal_now(void) {
        struct timespec ts;

        clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t) ts.tv_sec * 1000000 + (uint64_t) ts.tv_nsec / 1000;
}

bool terminal_can_draw(void) {
        const char *term = getenv("TERM");

        return isatty(STDOUT_FILENO) && term && term[0] && strcmp(term, "dumb") != 0;
}

static void take_keys(void) {
        struct termios t;

        /* a background job would be stopped by it, and has no keys anyway */
        if (tcgetpgrp(STDIN_FILENO) != getpgrp() || tcgetattr(STDIN_FILENO, &before) < 0)
                return;
        t = before;
        t.c_lflag &= ~(tcflag_t) (ICANON | ECHO);
        t.c_cc[VMIN] = 1;
        t.c_cc[VTIME] = 0;
        t.c_cc[VSUSP] = _POSIX_VDISABLE; /* a stopped process cannot give the terminal back */
        keys = tcsetattr(STDIN_FILENO, TCSADRAIN, &t) == 0;
}

int terminal_start(bool live) {
        static const int ends[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
        struct sigaction sa = { .sa_handler = on_signal };

        wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (wake_fd < 0)
                return -errno;
        drawing = live;
        FOREACH_ARRAY(i, ends, ARRAY_SIZE(ends))
                sigaction(*i, &sa, NULL); /* without SA_RESTART: a write that waits returns */
        if (!live)
                return 0;
        sa.sa_flags = SA_RESTART;
        sigaction(SIGWINCH, &sa, NULL);
        atexit(terminal_end);
        take_keys();
        fputs(HIDE_CURSOR NO_WRAP, stdout);
        return 0;
}

void terminal_end(void) {
        if (keys)
                tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
        keys = false;
        if (drawing) {
                fputs(WRAP SHOW_CURSOR, stdout);
                fflush(stdout);
        }
        drawing = false;
}

unsigned terminal_rows(void) {
        struct winsize w;

        return ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_row > 0 ? w.ws_row : 24;
}

void terminal_clear(void) {
        fputs(CLEAR, stdout);
}

bool terminal_stopped(void) {
        return stopped;
}

/* True for q. A terminal that went away is as good. */
static bool read_keys(void) {
        char text[64];
        ssize_t n = read(STDIN_FILENO, text, sizeof(text));

        return n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN) ||
               (n > 0 && memchr(text, 'q', (size_t) n) != NULL);
}

enum happening terminal_wait(int fd, uint64_t until) {
        for (;;) {
                struct pollfd p[] = {
                        { .fd = wake_fd, .events = POLLIN },
                        { .fd = keys ? STDIN_FILENO : -1, .events = POLLIN },
                        { .fd = fd, .events = POLLIN },
                };
                uint64_t now = terminal_now(), left = until > now ? until - now : 0, n;

                if (stopped)
                        return HAPPENED_QUIT;
                if (resized) {
                        resized = 0;
                        return HAPPENED_RESIZE;
                }
                int r = poll(p, ARRAY_SIZE(p), (int) MIN((left + 999) / 1000, (uint64_t) INT32_MAX));
                if (r < 0 && errno != EINTR)
                        return HAPPENED_QUIT;
                if (r <= 0) {
                        if (r == 0)
                                return HAPPENED_NOTHING;
                        continue;
                }
                if (p[0].revents && read(wake_fd, &n, sizeof(n)) < 0 && errno != EAGAIN)
                        return HAPPENED_QUIT;
                if (p[1].revents && read_keys())
                        return HAPPENED_QUIT;
                if (p[2].revents)
                        return HAPPENED_INPUT;
        }
}
