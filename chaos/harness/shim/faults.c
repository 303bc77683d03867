/*
 * Faults of the system beneath a process, loaded with LD_PRELOAD into servers under test and nothing else.
 *
 * The file named by EGGS_FAULTS holds the faults as struct faults, in the byte order of the machine. It is mapped, so
 * that whoever writes to it changes the behaviour of a running process at once and of every process that is started
 * with the same file later. Only regular files other than standard output and error have bad disks, so that sockets
 * work and logs are written.
 *
 * The monotonic clock is left alone: it is what leases are measured with, and no clock jump of a real machine moves it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
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

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("EGGS_FAULTS");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    void *map = mmap(NULL, sizeof(struct faults), PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    if (map != MAP_FAILED)
        faults = map;
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

int fsync(int fd) {
    REAL(fsync);
    FAIL_IF(trouble(fd, faults->sync_errno));
    return real(fd);
}

int fdatasync(int fd) {
    REAL(fdatasync);
    FAIL_IF(trouble(fd, faults->sync_errno));
    return real(fd);
}

int sync_file_range(int fd, off64_t offset, off64_t size, unsigned flags) {
    REAL(sync_file_range);
    FAIL_IF(trouble(fd, faults->sync_errno));
    return real(fd, offset, size, flags);
}

ssize_t write(int fd, const void *bytes, size_t size) {
    REAL(write);
    FAIL_IF(trouble(fd, faults->write_errno));
    return real(fd, bytes, size);
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t offset) {
    REAL(pwrite);
    FAIL_IF(trouble(fd, faults->write_errno));
    return real(fd, bytes, size, offset);
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t offset) {
    REAL(pwrite64);
    FAIL_IF(trouble(fd, faults->write_errno));
    return real(fd, bytes, size, offset);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    REAL(writev);
    FAIL_IF(trouble(fd, faults->write_errno));
    return real(fd, parts, count);
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
