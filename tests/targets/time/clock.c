/* Clocks that stand still until the program says how much time has passed, for programs whose tests are about time: how
 * long a loaded machine keeps them waiting must not show.
 *
 * For LD_PRELOAD. Wall-clock time stays what it is, and no thread may wait for a time in such a process. */

#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int64_t passed_ns = 1000000000;

void pass_time(int64_t ns) { passed_ns += ns; }

int clock_gettime(clockid_t clock, struct timespec *time) {
    switch (clock) {
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_COARSE:
        time->tv_sec = passed_ns / 1000000000;
        time->tv_nsec = passed_ns % 1000000000;
        return 0;
    case CLOCK_THREAD_CPUTIME_ID:
        time->tv_sec = time->tv_nsec = 0;
        return 0;
    default:
        return (int)syscall(SYS_clock_gettime, clock, time);
    }
}
