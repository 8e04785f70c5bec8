/*
 * A machine whose clock is set wrong.
 *
 * The test loads this library under the server with LD_PRELOAD. It adds seconds to the
 * time of day, or lets the time of day stand still, and leaves the clocks that no program
 * sets as they are. The file that WRONG_CLOCK names holds two numbers of 8 bytes in the
 * machine's byte order: the seconds to add, and the second of the Unix time at which the
 * clock stands still, or 0. The test changes them while the server runs.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static volatile struct {
	int64_t wrong_by;
	int64_t stands_at;
} *setting;

__attribute__((constructor)) static void map_the_file(void)
{
	const char *path = getenv("WRONG_CLOCK");
	int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	if (file < 0)
		return;
	void *page = mmap(NULL, sizeof(*setting), PROT_READ, MAP_SHARED, file, 0);
	if (page != MAP_FAILED)
		setting = page;
	close(file);
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
	int outcome = syscall(SYS_clock_gettime, clock, now);
	if (outcome != 0 || clock != CLOCK_REALTIME || !setting)
		return outcome;
	int64_t stands_at = setting->stands_at;
	if (stands_at) {
		now->tv_sec = stands_at;
		now->tv_nsec = 0;
	} else {
		now->tv_sec += setting->wrong_by;
	}
	return outcome;
}
