/* What a process does to the files of its database, in order: LD_PRELOAD this, and name the directory in
 * FPAI_RECORD_DIR and the log in FPAI_RECORD_LOG. Each record is {op, path length, offset, data length}, packed,
 * then path and data. Ops: C created, D directory made, W written, T truncated to offset, S synced, F a sync that
 * was refused, R renamed (data: new path), U unlinked; A is the harness's own: something was acknowledged.
 *
 * FPAI_FAULT="first,every,write errno,sync errno" lets the first of these calls fail instead, and every Nth
 * after it (0: only that one); an errno of 0 leaves that kind alone. Where FPAI_FAULT_WHILE names a file, calls
 * count only while it exists. fpai_fault() sets the same four from inside and returns the calls counted so far. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define MOST_FILES 65536

struct __attribute__((packed)) record {
    char op;
    uint32_t path_length;
    uint64_t offset;
    uint64_t length;
};

static const char *directory, *fault_while;
static char parent[PATH_MAX];
static int log_fd = -1;
static int fault_first, fault_every, write_errno, sync_errno, calls;
static char *paths[MOST_FILES];
static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;

__attribute__((constructor)) static void begin(void) {
    const char *log = getenv("FPAI_RECORD_LOG"), *fault = getenv("FPAI_FAULT");
    directory = getenv("FPAI_RECORD_DIR");
    fault_while = getenv("FPAI_FAULT_WHILE");
    if (directory && strrchr(directory, '/'))
        snprintf(parent, sizeof parent, "%.*s", (int)(strrchr(directory, '/') - directory), directory);
    if (log)
        log_fd = (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fault)
        sscanf(fault, "%d,%d,%d,%d", &fault_first, &fault_every, &write_errno, &sync_errno);
}

/* For a process that tries many faults one after the other. */
int fpai_fault(int first, int every, int write_error, int sync_error) {
    pthread_mutex_lock(&one_at_a_time);
    int seen = calls;
    calls = 0;
    fault_first = first;
    fault_every = every;
    write_errno = write_error;
    sync_errno = sync_error;
    pthread_mutex_unlock(&one_at_a_time);
    return seen;
}

/* The database, its log and its copies, and the directories of all; never the index in shared memory, which a
 * crash throws away. */
static int is_watched(const char *path) {
    if (!directory)
        return 0;
    if (!strcmp(path, parent))
        return 1;
    if (strncmp(path, directory, strlen(directory)) != 0)
        return 0;
    const char *rest = path + strlen(directory);
    if (!*rest || !strcmp(rest, "/backups"))
        return 1;
    size_t length = strlen(rest);
    if (length > 4 && !strcmp(rest + length - 4, "-shm"))
        return 0;
    return !strncmp(rest, "/executor.db", 12) || !strncmp(rest, "/backups/", 9);
}

static void note(char op, const char *path, uint64_t offset, const void *data, uint64_t length) {
    struct record head = {op, (uint32_t)strlen(path), offset, length};
    struct iovec parts[3] = {{&head, sizeof head}, {(void *)path, head.path_length}, {(void *)data, length}};
    if (log_fd >= 0)
        syscall(SYS_writev, log_fd, parts, 3);
}

static const char *path_of(int fd) { return fd >= 0 && fd < MOST_FILES ? paths[fd] : NULL; }

static int fails(int with) {
    if (!with || !fault_first || (fault_while && syscall(SYS_access, fault_while, F_OK) != 0))
        return 0;
    int after = ++calls - fault_first;
    if (after < 0 || (after && (!fault_every || after % fault_every)))
        return 0;
    errno = with;
    return 1;
}

/* The path as seen from the root; NULL when that cannot be told. */
static const char *absolute(int at, const char *path, char whole[PATH_MAX]) {
    if (path[0] == '/')
        return path;
    if (at != AT_FDCWD || !getcwd(whole, PATH_MAX - strlen(path) - 2))
        return NULL;
    return strcat(strcat(whole, "/"), path);
}

static int opened(int at, const char *path, int flags, mode_t mode) {
    char room[PATH_MAX];
    const char *whole = absolute(at, path, room);
    if (!whole || !is_watched(whole))
        return (int)syscall(SYS_openat, at, path, flags, mode);
    pthread_mutex_lock(&one_at_a_time);
    int is_new = (flags & O_CREAT) && syscall(SYS_access, whole, F_OK) != 0;
    int fd = (int)syscall(SYS_openat, at, path, flags, mode);
    int saved = errno;
    if (fd >= 0 && fd < MOST_FILES) {
        free(paths[fd]);
        paths[fd] = strdup(whole);
        if (is_new)
            note('C', whole, 0, NULL, 0);
        else if (flags & O_TRUNC)
            note('T', whole, 0, NULL, 0);
    }
    pthread_mutex_unlock(&one_at_a_time);
    errno = saved;
    return fd;
}

#define MODE_OF(flags) \
    mode_t mode = 0; \
    if (((flags) & O_CREAT) || ((flags) & O_TMPFILE) == O_TMPFILE) { \
        va_list rest; \
        va_start(rest, flags); \
        mode = va_arg(rest, mode_t); \
        va_end(rest); \
    }

int open(const char *path, int flags, ...) { MODE_OF(flags) return opened(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE_OF(flags) return opened(AT_FDCWD, path, flags, mode); }
int openat(int at, const char *path, int flags, ...) { MODE_OF(flags) return opened(at, path, flags, mode); }
int openat64(int at, const char *path, int flags, ...) { MODE_OF(flags) return opened(at, path, flags, mode); }

int close(int fd) {
    if (path_of(fd)) {
        pthread_mutex_lock(&one_at_a_time);
        free(paths[fd]);
        paths[fd] = NULL;
        pthread_mutex_unlock(&one_at_a_time);
    }
    return (int)syscall(SYS_close, fd);
}

static ssize_t written(int fd, const void *data, size_t length, off_t offset, int at_offset) {
    const char *path = path_of(fd);
    if (!path)
        return at_offset ? syscall(SYS_pwrite64, fd, data, length, offset) : syscall(SYS_write, fd, data, length);
    pthread_mutex_lock(&one_at_a_time);
    ssize_t done = -1;
    int saved;
    if (!fails(write_errno)) {
        off_t here = at_offset ? offset : (off_t)syscall(SYS_lseek, fd, 0, SEEK_CUR);
        done = at_offset ? syscall(SYS_pwrite64, fd, data, length, offset) : syscall(SYS_write, fd, data, length);
        if (done > 0)
            note('W', path, (uint64_t)here, data, (uint64_t)done);
    }
    saved = errno;
    pthread_mutex_unlock(&one_at_a_time);
    errno = saved;
    return done;
}

ssize_t write(int fd, const void *data, size_t length) { return written(fd, data, length, 0, 0); }
ssize_t pwrite(int fd, const void *data, size_t length, off_t offset) { return written(fd, data, length, offset, 1); }
ssize_t pwrite64(int fd, const void *data, size_t length, off_t offset) { return written(fd, data, length, offset, 1); }

/* Python copies a file inside the kernel, out of our sight, unless that is refused. */
ssize_t sendfile64(int to, int from, off_t *offset, size_t count) {
    if (!path_of(to))
        return syscall(SYS_sendfile, to, from, offset, count);
    errno = EINVAL;
    return -1;
}
ssize_t sendfile(int to, int from, off_t *offset, size_t count) { return sendfile64(to, from, offset, count); }

static int noted(char op, int fd, uint64_t offset, int with, long number, long argument) {
    const char *path = path_of(fd);
    if (!path)
        return (int)syscall(number, fd, argument);
    pthread_mutex_lock(&one_at_a_time);
    int done = fails(with) ? -1 : (int)syscall(number, fd, argument);
    int saved = errno;
    if (!done || op == 'S')
        note(done ? 'F' : op, path, offset, NULL, 0);
    pthread_mutex_unlock(&one_at_a_time);
    errno = saved;
    return done;
}

int fsync(int fd) { return noted('S', fd, 0, sync_errno, SYS_fsync, 0); }
int fdatasync(int fd) { return noted('S', fd, 0, sync_errno, SYS_fdatasync, 0); }
int ftruncate(int fd, off_t size) { return noted('T', fd, (uint64_t)size, write_errno, SYS_ftruncate, size); }
int ftruncate64(int fd, off_t size) { return noted('T', fd, (uint64_t)size, write_errno, SYS_ftruncate, size); }

int mkdir(const char *path, mode_t mode) {
    char room[PATH_MAX];
    const char *whole = absolute(AT_FDCWD, path, room);
    pthread_mutex_lock(&one_at_a_time);
    int done = (int)syscall(SYS_mkdir, path, mode);
    int saved = errno;
    if (!done && whole && is_watched(whole))
        note('D', whole, 0, NULL, 0);
    pthread_mutex_unlock(&one_at_a_time);
    errno = saved;
    return done;
}

int unlink(const char *path) {
    pthread_mutex_lock(&one_at_a_time);
    int done = (int)syscall(SYS_unlink, path);
    int saved = errno;
    if (!done && is_watched(path))
        note('U', path, 0, NULL, 0);
    pthread_mutex_unlock(&one_at_a_time);
    errno = saved;
    return done;
}

int rename(const char *from, const char *to) {
    pthread_mutex_lock(&one_at_a_time);
    int done = (int)syscall(SYS_rename, from, to);
    int saved = errno;
    if (!done && (is_watched(from) || is_watched(to)))
        note('R', from, 0, to, strlen(to));
    pthread_mutex_unlock(&one_at_a_time);
    errno = saved;
    return done;
}
