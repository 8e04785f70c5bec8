/*
 * A disk that can lose power, and a log of the order of events.
 *
 * The tests load this library under the server with LD_PRELOAD. It wraps every
 * call of the C library that changes the database or its write-ahead log, and
 * every call that reads a request from a socket or sends a reply.
 *
 * Power failure: for each change to the two files that no fsync has covered yet,
 * the shim keeps the earlier bytes and length. On SIGUSR2 it restores all of
 * them, newest first, and ends the process. With DURABILITY_KEEP above 0 it then
 * repeats each of those changes with that chance in percent, since a real disk
 * may have written any of them. A fsync that has not returned covers nothing.
 *
 * Failing disk: with DURABILITY_FAIL_SYNC at N, SIGUSR2 lets the Nth fsync of
 * the database from then on fail, once, or of the log if DURABILITY_FAIL_SYNC_OF
 * is "wal". As on Linux, the disk then never writes
 * the changes that this fsync was to cover, although later fsyncs succeed. The
 * shim drops these changes when the process ends by itself.
 *
 * Slow disk: with DURABILITY_SYNC_MILLIS a fsync of the log takes this time more.
 *
 * Log: one line for each event, in the order of the events, in the file that
 * DURABILITY_LOG names. A call that this model does not cover is logged as
 * "unmodelled". The test that reads the log then fails.
 *
 *   request FD MARK...              bytes of a request came in
 *   reply FD STATUS MARK...         the first bytes of a reply are about to go out
 *   write wal|database MARK...      a change was made; "commit" if it ends a transaction,
 *                                   "restart" if it overwrites the log from its start
 *   sync-begin wal|database THREAD  a fsync is about to start
 *   sync-end wal|database THREAD    a fsync has returned with success
 *   sync-will-fail wal|database     the signal has come, and one of the next fsyncs will fail
 *   sync-failed wal|database        the shim made a fsync fail
 *   close FD                        a descriptor was closed
 *   power-failure UNSYNCED KEPT     the number of uncovered changes, and of those kept
 *
 * A mark is "mark-" and eight digits, at any position in the bytes.
 *
 * Not modelled: names in the folder (a created, renamed or removed file is
 * durable at once), the shared-memory index (SQLite rebuilds it), and a disk that
 * lies about fsync.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define DESCRIPTORS 65536
#define MARK "mark-"
#define MARK_DIGITS 8
#define MARK_LENGTH (sizeof(MARK) - 1 + MARK_DIGITS)

struct change {
    off_t at;         /* where it starts; for a truncation, the new length */
    off_t old_length; /* of the file */
    unsigned char *old_bytes, *new_bytes;
    size_t old_count, new_count;
    int is_truncation;
};

struct file {
    const char *name;
    char path[4096];
    struct change *changes; /* not covered by a fsync, oldest first */
    size_t count, capacity;
    size_t covered; /* number of covered changes, over the whole run */
    int has_failed; /* no fsync covers anything from now on */
};

static struct file database = {.name = "database"}, wal = {.name = "wal"};
static struct file *opened[DESCRIPTORS];
/* Held around every event, so that the log has the order of the events. Never
   released once the power has failed. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static const char *database_name;
static int log_descriptor = -1;
static unsigned keep_percent;
static int fail_sync, syncs_to_failure;
static unsigned sync_millis;
static struct file *failing_file = &database;
static uint64_t random_state;

/* Each wrapper calls the real function through `real_NAME()`. */
#define REAL(result, name, ...)                                                \
    typedef result (*name##_function)(__VA_ARGS__);                            \
    static name##_function real_##name(void) {                                 \
        static name##_function found;                                          \
        if (!found) found = (name##_function)dlsym(RTLD_NEXT, #name);          \
        return found;                                                          \
    }

REAL(int, open, const char *, int, ...)
REAL(int, open64, const char *, int, ...)
REAL(int, openat, int, const char *, int, ...)
REAL(int, openat64, int, const char *, int, ...)
REAL(int, close, int)
REAL(ssize_t, write, int, const void *, size_t)
REAL(ssize_t, writev, int, const struct iovec *, int)
REAL(ssize_t, pwrite, int, const void *, size_t, off_t)
REAL(ssize_t, pwrite64, int, const void *, size_t, off_t)
REAL(ssize_t, pwritev, int, const struct iovec *, int, off_t)
REAL(ssize_t, pwritev64, int, const struct iovec *, int, off_t)
REAL(int, ftruncate, int, off_t)
REAL(int, ftruncate64, int, off_t)
REAL(int, fallocate, int, int, off_t, off_t)
REAL(int, fallocate64, int, int, off_t, off_t)
REAL(int, posix_fallocate, int, off_t, off_t)
REAL(int, posix_fallocate64, int, off_t, off_t)
REAL(void *, mmap, void *, size_t, int, int, int, off_t)
REAL(void *, mmap64, void *, size_t, int, int, int, off_t)
REAL(int, fsync, int)
REAL(int, fdatasync, int)
REAL(ssize_t, read, int, void *, size_t)
REAL(ssize_t, readv, int, const struct iovec *, int)
REAL(ssize_t, recv, int, void *, size_t, int)
REAL(ssize_t, recvfrom, int, void *, size_t, int, struct sockaddr *, socklen_t *)
REAL(ssize_t, recvmsg, int, struct msghdr *, int)
REAL(ssize_t, send, int, const void *, size_t, int)
REAL(ssize_t, sendto, int, const void *, size_t, int, const struct sockaddr *, socklen_t)
REAL(ssize_t, sendmsg, int, const struct msghdr *, int)

static struct file *file_of(int fd) {
    return fd >= 0 && fd < DESCRIPTORS ? opened[fd] : NULL;
}

/* --- the log; the mutex is held ------------------------------------------ */

static void note(const char *format, ...) {
    char line[8192];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof line - 1, format, arguments);
    va_end(arguments);
    if (log_descriptor < 0 || length < 0) return;
    if ((size_t)length > sizeof line - 2) length = sizeof line - 2;
    line[length++] = '\n';
    if (real_write()(log_descriptor, line, length) != length) abort();
}

static int is_mark(const unsigned char *bytes) {
    if (memcmp(bytes, MARK, sizeof(MARK) - 1) != 0) return 0;
    for (size_t digit = sizeof(MARK) - 1; digit < MARK_LENGTH; digit++)
        if (bytes[digit] < '0' || bytes[digit] > '9') return 0;
    return 1;
}

/* Collects every mark in some bytes, each after a space. */
static void marks_in(const unsigned char *bytes, size_t count, char *marks, size_t space) {
    size_t used = 0;
    for (size_t at = 0; at + MARK_LENGTH <= count && used + MARK_LENGTH + 2 <= space;) {
        const unsigned char *found = memmem(bytes + at, count - at, MARK, sizeof(MARK) - 1);
        if (!found || found + MARK_LENGTH > bytes + count) break;
        at = found - bytes + 1;
        if (!is_mark(found)) continue;
        marks[used++] = ' ';
        memcpy(marks + used, found, MARK_LENGTH);
        used += MARK_LENGTH;
    }
    marks[used] = '\0';
}

static void note_request(int fd, const void *bytes, ssize_t count) {
    if (count <= 0 || log_descriptor < 0) return;
    char marks[4096];
    marks_in(bytes, count, marks, sizeof marks);
    if (!marks[0]) return;
    int saved = errno;
    pthread_mutex_lock(&mutex);
    note("request %d%s", fd, marks);
    pthread_mutex_unlock(&mutex);
    errno = saved;
}

/* Also stops replies once the power has failed, because the mutex stays held. */
static void note_reply(int fd, const void *bytes, size_t count) {
    static const char start[] = "HTTP/1.1 ";
    size_t status_at = sizeof start - 1;
    if (count < status_at + 3 || memcmp(bytes, start, status_at) != 0) return;
    char marks[4096];
    marks_in(bytes, count, marks, sizeof marks);
    pthread_mutex_lock(&mutex);
    note("reply %d %.3s%s", fd, (const char *)bytes + status_at, marks);
    pthread_mutex_unlock(&mutex);
}

static void note_unmodelled(const char *call, int fd) {
    struct file *file = file_of(fd);
    if (!file) return;
    pthread_mutex_lock(&mutex);
    note("unmodelled %s %s", call, file->name);
    pthread_mutex_unlock(&mutex);
}

/* --- changes that are not synced yet; the mutex is held ------------------- */

static unsigned char *copy_of(const void *bytes, size_t count) {
    unsigned char *copy = malloc(count ? count : 1);
    if (!copy) abort();
    if (count) memcpy(copy, bytes, count);
    return copy;
}

static void remember(struct file *file, int fd, off_t at, const void *bytes, size_t count, int is_truncation) {
    struct stat status;
    if (fstat(fd, &status) != 0) abort();
    struct change change = {.at = at, .old_length = status.st_size, .is_truncation = is_truncation};
    off_t end = is_truncation || at + (off_t)count > status.st_size ? status.st_size : at + (off_t)count;
    change.old_count = end > at ? end - at : 0;
    change.old_bytes = copy_of(NULL, 0);
    if (change.old_count) {
        free(change.old_bytes);
        change.old_bytes = malloc(change.old_count);
        if (!change.old_bytes || pread(fd, change.old_bytes, change.old_count, at) != (ssize_t)change.old_count) abort();
    }
    change.new_bytes = copy_of(bytes, count);
    change.new_count = count;
    if (file->count == file->capacity) {
        file->capacity = file->capacity ? 2 * file->capacity : 1024;
        file->changes = realloc(file->changes, file->capacity * sizeof *file->changes);
        if (!file->changes) abort();
    }
    file->changes[file->count++] = change;
}

/* Marks the first `safe` changes of the whole run as covered. Two fsyncs may
   overlap, and the one that began later may end first. */
static void forget(struct file *file, size_t safe) {
    if (safe <= file->covered || file->has_failed) return;
    size_t covered = safe - file->covered;
    file->covered = safe;
    for (size_t index = 0; index < covered; index++) {
        free(file->changes[index].old_bytes);
        free(file->changes[index].new_bytes);
    }
    file->count -= covered;
    if (file->count) memmove(file->changes, file->changes + covered, file->count * sizeof *file->changes);
}

static void put(int fd, const unsigned char *bytes, size_t count, off_t at) {
    if (count && real_pwrite()(fd, bytes, count, at) != (ssize_t)count) abort();
}

static unsigned random_percent(void) {
    random_state += 0x9E3779B97F4A7C15u;
    uint64_t z = random_state;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return (unsigned)((z ^ (z >> 31)) % 100);
}

static size_t lose_unsynced(struct file *file) {
    if (!file->count) return 0;
    int fd = real_open()(file->path, O_RDWR);
    if (fd < 0) abort();
    for (size_t index = file->count; index-- > 0;) {
        struct change *change = &file->changes[index];
        if (real_ftruncate()(fd, change->old_length) != 0) abort();
        put(fd, change->old_bytes, change->old_count, change->at);
    }
    size_t kept = 0;
    for (size_t index = 0; index < file->count; index++) {
        struct change *change = &file->changes[index];
        if (random_percent() >= keep_percent) continue;
        kept++;
        if (change->is_truncation) {
            if (real_ftruncate()(fd, change->at) != 0) abort();
        } else {
            put(fd, change->new_bytes, change->new_count, change->at);
        }
    }
    return kept;
}

/* Every thread blocks the signal and only this one waits for it, so that it
   interrupts no wrapper. */
static void *wait_for_failure(void *signals) {
    int received;
    if (sigwait(signals, &received) != 0) abort();
    pthread_mutex_lock(&mutex);
    if (fail_sync) {
        syncs_to_failure = fail_sync;
        note("sync-will-fail %s", failing_file->name);
        pthread_mutex_unlock(&mutex);
        return NULL;
    }
    size_t unsynced = wal.count + database.count;
    size_t kept = lose_unsynced(&wal) + lose_unsynced(&database);
    note("power-failure %zu %zu", unsynced, kept);
    _exit(137);
}

__attribute__((constructor)) static void start(void) {
    static sigset_t signals;
    const char *log_path = getenv("DURABILITY_LOG"), *keep = getenv("DURABILITY_KEEP"), *seed = getenv("DURABILITY_SEED");
    database_name = getenv("DURABILITY_DATABASE");
    if (!database_name || !log_path) abort();
    const char *failing = getenv("DURABILITY_FAIL_SYNC");
    fail_sync = failing ? atoi(failing) : 0;
    const char *of = getenv("DURABILITY_FAIL_SYNC_OF");
    if (of && strcmp(of, wal.name) == 0) failing_file = &wal;
    const char *millis = getenv("DURABILITY_SYNC_MILLIS");
    sync_millis = millis ? (unsigned)atoi(millis) : 0;
    keep_percent = keep ? (unsigned)atoi(keep) : 0;
    random_state = seed ? strtoull(seed, NULL, 10) : 0;
    log_descriptor = real_open()(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (log_descriptor < 0) abort();
    pthread_t thread;
    sigemptyset(&signals);
    sigaddset(&signals, SIGUSR2);
    if (pthread_sigmask(SIG_BLOCK, &signals, NULL) != 0) abort();
    if (pthread_create(&thread, NULL, wait_for_failure, &signals) != 0) abort();
}

/* Drops the changes that a failed fsync lost, so that the next process does not
   see them. */
__attribute__((destructor)) static void end(void) {
    pthread_mutex_lock(&mutex);
    if (failing_file->has_failed) lose_unsynced(failing_file);
    pthread_mutex_unlock(&mutex);
}

/* --- opening and closing --------------------------------------------------- */

static int track(int fd, const char *path) {
    if (fd < 0 || fd >= DESCRIPTORS || !database_name) return fd;
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    size_t length = strlen(database_name);
    struct file *file = NULL;
    if (strcmp(name, database_name) == 0) file = &database;
    else if (strncmp(name, database_name, length) == 0 && strcmp(name + length, "-wal") == 0) file = &wal;
    pthread_mutex_lock(&mutex);
    opened[fd] = file;
    if (file) {
        if (strlen(path) >= sizeof file->path) abort();
        strcpy(file->path, path);
    }
    pthread_mutex_unlock(&mutex);
    return fd;
}

#define MODE_OF(flags)                                                         \
    mode_t mode = 0;                                                           \
    if ((flags) & (O_CREAT | __O_TMPFILE)) {                                   \
        va_list arguments;                                                     \
        va_start(arguments, flags);                                            \
        mode = va_arg(arguments, mode_t);                                      \
        va_end(arguments);                                                     \
    }

int open(const char *path, int flags, ...) {
    MODE_OF(flags)
    return track(real_open()(path, flags, mode), path);
}

int open64(const char *path, int flags, ...) {
    MODE_OF(flags)
    return track(real_open64()(path, flags, mode), path);
}

int openat(int folder, const char *path, int flags, ...) {
    MODE_OF(flags)
    return track(real_openat()(folder, path, flags, mode), path);
}

int openat64(int folder, const char *path, int flags, ...) {
    MODE_OF(flags)
    return track(real_openat64()(folder, path, flags, mode), path);
}

int close(int fd) {
    pthread_mutex_lock(&mutex);
    if (fd >= 0 && fd < DESCRIPTORS) opened[fd] = NULL;
    note("close %d", fd);
    int result = real_close()(fd);
    pthread_mutex_unlock(&mutex);
    return result;
}

/* --- changes --------------------------------------------------------------- */

/* A frame header with a database size in it ends a transaction. */
static int ends_transaction(const struct file *file, const unsigned char *bytes, size_t count, off_t at) {
    return file == &wal && count == 24 && at >= 32 && (bytes[4] | bytes[5] | bytes[6] | bytes[7]);
}

/* A write of the log's header, before frames overwrite the old ones, or a
   truncation. */
static int restarts(const struct file *file, off_t at) {
    return file == &wal && at == 0;
}

static ssize_t write_at(pwrite64_function real, int fd, const void *bytes, size_t count, off_t at) {
    struct file *file = file_of(fd);
    if (!file) return real(fd, bytes, count, at);
    char marks[4096];
    marks_in(bytes, count, marks, sizeof marks);
    pthread_mutex_lock(&mutex);
    remember(file, fd, at, bytes, count, 0);
    ssize_t written = real(fd, bytes, count, at);
    int saved = errno;
    note("write %s%s%s%s", file->name, ends_transaction(file, bytes, count, at) ? " commit" : "",
         restarts(file, at) ? " restart" : "", marks);
    pthread_mutex_unlock(&mutex);
    errno = saved;
    return written;
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t at) {
    return write_at(real_pwrite(), fd, bytes, count, at);
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off_t at) {
    return write_at(real_pwrite64(), fd, bytes, count, at);
}

static int truncate_to(ftruncate64_function real, int fd, off_t length) {
    struct file *file = file_of(fd);
    if (!file) return real(fd, length);
    pthread_mutex_lock(&mutex);
    remember(file, fd, length, "", 0, 1);
    int result = real(fd, length);
    int saved = errno;
    note("write %s%s", file->name, restarts(file, length) ? " restart" : "");
    pthread_mutex_unlock(&mutex);
    errno = saved;
    return result;
}

int ftruncate(int fd, off_t length) { return truncate_to(real_ftruncate(), fd, length); }
int ftruncate64(int fd, off_t length) { return truncate_to(real_ftruncate64(), fd, length); }

/* Covers what was written before it began. The power can fail while it runs. */
static int sync_with(fsync_function real, int fd) {
    struct file *file = file_of(fd);
    if (!file) return real(fd);
    pthread_mutex_lock(&mutex);
    size_t safe = file->covered + file->count;
    note("sync-begin %s %d", file->name, (int)gettid());
    if (file == failing_file && syncs_to_failure && --syncs_to_failure == 0) {
        file->has_failed = 1;
        note("sync-failed %s", file->name);
        pthread_mutex_unlock(&mutex);
        errno = EIO;
        return -1;
    }
    pthread_mutex_unlock(&mutex);
    int result = real(fd);
    int saved = errno;
    if (file == &wal) usleep(1000 * sync_millis);
    pthread_mutex_lock(&mutex);
    if (result == 0) {
        forget(file, safe);
        note("sync-end %s %d", file->name, (int)gettid());
    }
    pthread_mutex_unlock(&mutex);
    errno = saved;
    return result;
}

int fsync(int fd) { return sync_with(real_fsync(), fd); }
int fdatasync(int fd) { return sync_with(real_fdatasync(), fd); }

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at) {
    note_unmodelled("pwritev", fd);
    return real_pwritev()(fd, parts, count, at);
}

ssize_t pwritev64(int fd, const struct iovec *parts, int count, off_t at) {
    note_unmodelled("pwritev64", fd);
    return real_pwritev64()(fd, parts, count, at);
}

int fallocate(int fd, int mode, off_t at, off_t length) {
    note_unmodelled("fallocate", fd);
    return real_fallocate()(fd, mode, at, length);
}

int fallocate64(int fd, int mode, off_t at, off_t length) {
    note_unmodelled("fallocate64", fd);
    return real_fallocate64()(fd, mode, at, length);
}

int posix_fallocate(int fd, off_t at, off_t length) {
    note_unmodelled("posix_fallocate", fd);
    return real_posix_fallocate()(fd, at, length);
}

int posix_fallocate64(int fd, off_t at, off_t length) {
    note_unmodelled("posix_fallocate64", fd);
    return real_posix_fallocate64()(fd, at, length);
}

void *mmap(void *address, size_t length, int protection, int flags, int fd, off_t at) {
    if (protection & PROT_WRITE) note_unmodelled("mmap", fd);
    return real_mmap()(address, length, protection, flags, fd, at);
}

void *mmap64(void *address, size_t length, int protection, int flags, int fd, off_t at) {
    if (protection & PROT_WRITE) note_unmodelled("mmap64", fd);
    return real_mmap64()(address, length, protection, flags, fd, at);
}

/* --- requests and replies -------------------------------------------------- */

ssize_t read(int fd, void *bytes, size_t count) {
    ssize_t received = real_read()(fd, bytes, count);
    if (!file_of(fd)) note_request(fd, bytes, received);
    return received;
}

ssize_t recv(int fd, void *bytes, size_t count, int flags) {
    ssize_t received = real_recv()(fd, bytes, count, flags);
    note_request(fd, bytes, received);
    return received;
}

ssize_t recvfrom(int fd, void *bytes, size_t count, int flags, struct sockaddr *from, socklen_t *length) {
    ssize_t received = real_recvfrom()(fd, bytes, count, flags, from, length);
    note_request(fd, bytes, received);
    return received;
}

static void note_request_parts(int fd, const struct iovec *parts, size_t count, ssize_t received) {
    for (size_t part = 0; part < count && received > 0; part++) {
        size_t here = (size_t)received < parts[part].iov_len ? (size_t)received : parts[part].iov_len;
        note_request(fd, parts[part].iov_base, here);
        received -= here;
    }
}

ssize_t readv(int fd, const struct iovec *parts, int count) {
    ssize_t received = real_readv()(fd, parts, count);
    if (!file_of(fd)) note_request_parts(fd, parts, count, received);
    return received;
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags) {
    ssize_t received = real_recvmsg()(fd, message, flags);
    note_request_parts(fd, message->msg_iov, message->msg_iovlen, received);
    return received;
}

ssize_t write(int fd, const void *bytes, size_t count) {
    note_unmodelled("write", fd);
    note_reply(fd, bytes, count);
    return real_write()(fd, bytes, count);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    note_unmodelled("writev", fd);
    if (count > 0) note_reply(fd, parts[0].iov_base, parts[0].iov_len);
    return real_writev()(fd, parts, count);
}

ssize_t send(int fd, const void *bytes, size_t count, int flags) {
    note_reply(fd, bytes, count);
    return real_send()(fd, bytes, count, flags);
}

ssize_t sendto(int fd, const void *bytes, size_t count, int flags, const struct sockaddr *to, socklen_t length) {
    note_reply(fd, bytes, count);
    return real_sendto()(fd, bytes, count, flags, to, length);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
    if (message->msg_iovlen > 0) note_reply(fd, message->msg_iov[0].iov_base, message->msg_iov[0].iov_len);
    return real_sendmsg()(fd, message, flags);
}
