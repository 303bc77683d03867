/*
 * Faults of the system beneath a process, loaded with LD_PRELOAD into servers under test and nothing else.
 *
 * The file named by EGGS_FAULTS holds the faults as struct faults, in the byte order of the machine. It is mapped, so
 * that whoever writes to it changes the behaviour of a running process at once and of every process that is started
 * with the same file later. Only regular files other than standard output and error have bad disks, so that sockets
 * work and logs are written.
 *
 * If EGGS_UNSYNCED names a file, every write to a regular file is noted there with what it overwrites, and every sync that
 * succeeds, so that whoever cuts the power can take back what was not synced (src/dress/unsynced.rs). One write at a time.
 *
 * The monotonic clock is left alone: it is what leases are measured with, and no clock jump of a real machine moves it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

struct faults {
    int64_t clock_ns;     /* added to the time of day */
    int64_t sync_errno;   /* what fsync fails with; 0 if it works */
    int64_t write_errno;  /* what writes fail with; 0 if they work */
    int64_t delay_us;     /* how much longer each write and fsync takes */
};

static const volatile struct faults none;
static const volatile struct faults *faults = &none;
static int journal = -1;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("EGGS_FAULTS");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    void *map = mmap(NULL, sizeof(struct faults), PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    if (map != MAP_FAILED)
        faults = map;
    path = getenv("EGGS_UNSYNCED");
    if (path)
        journal = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

#define REAL(name) \
    static __typeof__(&name) real; \
    if (!real) \
        real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

static int is_wall(clockid_t clock) {
    return clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE || clock == CLOCK_TAI;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    REAL(clock_gettime);
    int result = real(clock, now);
    int64_t offset = faults->clock_ns;
    if (result == 0 && offset != 0 && is_wall(clock)) {
        int64_t ns = (int64_t)now->tv_sec * 1000000000 + now->tv_nsec + offset;
        now->tv_sec = ns / 1000000000;
        now->tv_nsec = ns % 1000000000;
    }
    return result;
}

int gettimeofday(struct timeval *now, void *zone) {
    (void)zone;
    struct timespec spec;
    int result = clock_gettime(CLOCK_REALTIME, &spec);
    now->tv_sec = spec.tv_sec;
    now->tv_usec = spec.tv_nsec / 1000;
    return result;
}

time_t time(time_t *out) {
    struct timespec spec;
    clock_gettime(CLOCK_REALTIME, &spec);
    if (out)
        *out = spec.tv_sec;
    return spec.tv_sec;
}

/* Whether the disk of a file may be bad. */
static int on_disk(int fd) {
    struct stat found;
    return fd > STDERR_FILENO && fstat(fd, &found) == 0 && S_ISREG(found.st_mode);
}

static void dawdle(void) {
    int64_t us = faults->delay_us;
    if (us > 0) {
        struct timespec pause = {us / 1000000, us % 1000000 * 1000};
        nanosleep(&pause, NULL);
    }
}

/* Returns an errno if the call has to fail. */
static int trouble(int fd, int64_t error) {
    if (error == 0 && faults->delay_us == 0)
        return 0;
    int saved = errno;
    int bad = on_disk(fd);
    if (bad)
        dawdle();
    errno = saved;
    return bad ? (int)error : 0;
}

#define FAIL_IF(error) \
    do { \
        int failed = (error); \
        if (failed) { \
            errno = failed; \
            return -1; \
        } \
    } while (0)

struct note {
    uint64_t kind;   /* NOTE_WRITE or NOTE_SYNC */
    uint64_t inode;
    uint64_t born;   /* nanoseconds since 1970: inode numbers are used again */
    uint64_t offset; /* of a write; of a sync, how long the journal was when it began */
    uint64_t size;   /* of the file before a write */
    uint64_t bytes;  /* that follow: what a write overwrites */
};
enum { NOTE_WRITE = 1, NOTE_SYNC = 2 };

static pthread_mutex_t noting = PTHREAD_MUTEX_INITIALIZER;

static ssize_t raw_write(int fd, const void *bytes, size_t size) {
    REAL(write);
    return real(fd, bytes, size);
}

/* Whether a file's notes are kept; fills in which file it is. */
static int begin_note(int fd, struct note *note) {
    struct statx found;
    if (journal < 0 || fd <= STDERR_FILENO || fd == journal ||
        statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME, &found) != 0 || !S_ISREG(found.stx_mode))
        return 0;
    memset(note, 0, sizeof *note);
    note->inode = found.stx_ino;
    note->born = (uint64_t)found.stx_btime.tv_sec * 1000000000 + found.stx_btime.tv_nsec;
    note->size = found.stx_size;
    return 1;
}

/* A note that cannot be written would be a lie of the test. */
static void append(const void *bytes, size_t size) {
    if (raw_write(journal, bytes, size) != (ssize_t)size)
        abort();
}

/* Called with `noting` held. */
static void note_write(int fd, size_t size, off_t offset) {
    struct note note;
    if (!begin_note(fd, &note))
        return;
    if (offset < 0)
        offset = fcntl(fd, F_GETFL) & O_APPEND ? (off_t)note.size : lseek(fd, 0, SEEK_CUR);
    note.kind = NOTE_WRITE;
    note.offset = offset;
    uint64_t end = note.offset + size < note.size ? note.offset + size : note.size;
    uint64_t old = note.offset < end ? end - note.offset : 0;
    char *buffer = malloc(sizeof note + old);
    if (!buffer)
        abort();
    if (old > 0) {
        char path[64];
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        int again = open(path, O_RDONLY | O_CLOEXEC); /* the descriptor may be for writing only */
        ssize_t got = again < 0 ? -1 : pread(again, buffer + sizeof note, old, offset);
        if (again >= 0)
            close(again);
        if (got < 0)
            abort();
        note.bytes = got;
    }
    memcpy(buffer, &note, sizeof note);
    append(buffer, sizeof note + note.bytes);
    free(buffer);
}

static int noted_sync(int fd, int (*real)(int)) {
    struct note note;
    if (!begin_note(fd, &note))
        return real(fd);
    pthread_mutex_lock(&noting);
    struct stat written;
    if (fstat(journal, &written) != 0)
        abort();
    pthread_mutex_unlock(&noting);
    int result = real(fd);
    if (result == 0) {
        note.kind = NOTE_SYNC;
        note.offset = written.st_size;
        pthread_mutex_lock(&noting);
        append(&note, sizeof note);
        pthread_mutex_unlock(&noting);
    }
    return result;
}

/* Does a write, noted if notes are kept. */
#define NOTED(fd, size, offset, call) \
    do { \
        if (journal < 0) \
            return call; \
        int saved = errno; \
        pthread_mutex_lock(&noting); \
        note_write(fd, size, offset); \
        errno = saved; \
        ssize_t result = call; \
        saved = errno; \
        pthread_mutex_unlock(&noting); \
        errno = saved; \
        return result; \
    } while (0)

int fsync(int fd) {
    REAL(fsync);
    FAIL_IF(trouble(fd, faults->sync_errno));
    return noted_sync(fd, real);
}

int fdatasync(int fd) {
    REAL(fdatasync);
    FAIL_IF(trouble(fd, faults->sync_errno));
    return noted_sync(fd, real);
}

int sync_file_range(int fd, off64_t offset, off64_t size, unsigned flags) {
    REAL(sync_file_range);
    FAIL_IF(trouble(fd, faults->sync_errno));
    return real(fd, offset, size, flags);
}

ssize_t write(int fd, const void *bytes, size_t size) {
    REAL(write);
    FAIL_IF(trouble(fd, faults->write_errno));
    NOTED(fd, size, -1, real(fd, bytes, size));
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t offset) {
    REAL(pwrite);
    FAIL_IF(trouble(fd, faults->write_errno));
    NOTED(fd, size, offset, real(fd, bytes, size, offset));
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t offset) {
    REAL(pwrite64);
    FAIL_IF(trouble(fd, faults->write_errno));
    NOTED(fd, size, offset, real(fd, bytes, size, offset));
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    REAL(writev);
    FAIL_IF(trouble(fd, faults->write_errno));
    size_t size = 0;
    for (int i = 0; i < count; i++)
        size += parts[i].iov_len;
    NOTED(fd, size, -1, real(fd, parts, count));
}

int fallocate(int fd, int mode, off_t offset, off_t size) {
    REAL(fallocate);
    if (!(mode & FALLOC_FL_PUNCH_HOLE))
        FAIL_IF(trouble(fd, faults->write_errno));
    return real(fd, mode, offset, size);
}

int fallocate64(int fd, int mode, off64_t offset, off64_t size) {
    REAL(fallocate64);
    if (!(mode & FALLOC_FL_PUNCH_HOLE))
        FAIL_IF(trouble(fd, faults->write_errno));
    return real(fd, mode, offset, size);
}
