/*
 * A machine whose clock is set wrong.
 *
 * The test loads this library under the server with LD_PRELOAD. It adds seconds to the
 * time of day, and leaves the clocks that no program sets as they are. The file that
 * WRONG_CLOCK names holds the seconds, in 8 bytes of the machine's byte order, and the
 * test changes them while the server runs.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static volatile int64_t *wrong_by;

__attribute__((constructor)) static void map_the_file(void)
{
	const char *path = getenv("WRONG_CLOCK");
	int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	if (file < 0)
		return;
	void *page = mmap(NULL, sizeof(*wrong_by), PROT_READ, MAP_SHARED, file, 0);
	if (page != MAP_FAILED)
		wrong_by = page;
	close(file);
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
	int outcome = syscall(SYS_clock_gettime, clock, now);
	if (outcome == 0 && clock == CLOCK_REALTIME && wrong_by)
		now->tv_sec += *wrong_by;
	return outcome;
}
