/*
 * Simulates a slower disk. Loaded with LD_PRELOAD, it makes every fsync and
 * fdatasync take SLOW_FSYNC_MS milliseconds longer.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>

typedef int (*sync_function)(int);

static int slowly(const char *name, int fd) {
    sync_function real = (sync_function)dlsym(RTLD_NEXT, name);
    const char *milliseconds = getenv("SLOW_FSYNC_MS");
    long wait = milliseconds ? atol(milliseconds) : 0;
    struct timespec time = {wait / 1000, wait % 1000 * 1000000};
    while (nanosleep(&time, &time) != 0) {}
    return real(fd);
}

int fsync(int fd) { return slowly("fsync", fd); }
int fdatasync(int fd) { return slowly("fdatasync", fd); }
