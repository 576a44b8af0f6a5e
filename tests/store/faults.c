/* Preloaded into a process: makes the nth write to, or sync of, its data file fail, and writes down what it did.
   FAULTS_LOG names the log; without it nothing is written down. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int fail_kind, fail_nth, fail_error, log_file = -2;

void fault_at(int kind, int nth, int error) { fail_kind = kind; fail_nth = nth; fail_error = error; }
int faults_left(void) { return fail_nth; }

static int ours(int file) {
    char link[64] = "/proc/self/fd/", target[4096];
    char digits[16], *at = digits + 15;
    *at = 0;
    int rest = file;
    do { *--at = '0' + rest % 10; rest /= 10; } while (rest);
    strcat(link, at);
    long size = syscall(SYS_readlink, link, target, sizeof target - 1);
    if (size < 8) return 0;
    target[size] = 0;
    return !strcmp(target + size - 8, "data.mdb");
}

static int fails(int kind) {
    if (fail_kind != kind || fail_nth <= 0 || --fail_nth) return 0;
    errno = fail_error;
    return 1;
}

static void put(const void *data, size_t size) { while (size) {
    long done = syscall(SYS_write, log_file, data, size);
    if (done <= 0) abort();
    data = (const char *)data + done; size -= done; } }

static void note(char kind, uint64_t offset, const struct iovec *parts, int count, uint64_t size) {
    if (log_file == -2) {
        const char *name = getenv("FAULTS_LOG");
        log_file = name ? syscall(SYS_openat, AT_FDCWD, name, O_WRONLY | O_CREAT | O_APPEND, 0600) : -1;
    }
    if (log_file < 0) return;
    pthread_mutex_lock(&mutex);
    put(&kind, 1); put(&offset, 8); put(&size, 8);
    for (int part = 0; part < count && size; part++) {
        size_t some = parts[part].iov_len < size ? parts[part].iov_len : size;
        put(parts[part].iov_base, some);
        size -= some;
    }
    pthread_mutex_unlock(&mutex);
}

void fault_mark(int number) { note('m', number, 0, 0, 0); }

static char write_kind(int file) { return fcntl(file, F_GETFL) & O_DSYNC ? 'd' : 'w'; }

static ssize_t vectored(int file, const struct iovec *parts, int count, off_t offset) {
    if (!ours(file)) return syscall(SYS_pwritev, file, parts, count, offset, 0);
    if (fails('w')) return -1;
    ssize_t done = syscall(SYS_pwritev, file, parts, count, offset, 0);
    if (done > 0) note(write_kind(file), offset, parts, count, done);
    return done;
}

ssize_t pwrite(int file, const void *data, size_t size, off_t offset) {
    struct iovec part = {(void *)data, size};
    return vectored(file, &part, 1, offset);
}
ssize_t pwrite64(int file, const void *data, size_t size, off64_t offset) { return pwrite(file, data, size, offset); }
ssize_t pwritev(int file, const struct iovec *parts, int count, off_t offset) {
    return vectored(file, parts, count, offset);
}
ssize_t pwritev64(int file, const struct iovec *parts, int count, off64_t offset) {
    return vectored(file, parts, count, offset);
}
ssize_t writev(int file, const struct iovec *parts, int count) {
    if (!ours(file)) return syscall(SYS_writev, file, parts, count);
    off_t at = lseek(file, 0, SEEK_CUR);
    ssize_t done = vectored(file, parts, count, at);
    if (done > 0) lseek(file, at + done, SEEK_SET);
    return done;
}
ssize_t write(int file, const void *data, size_t size) {
    struct iovec part = {(void *)data, size};
    return ours(file) ? writev(file, &part, 1) : syscall(SYS_write, file, data, size);
}

static int synced(int file, long call) {
    if (!ours(file)) return syscall(call, file);
    if (fails('s')) return -1;
    int result = syscall(call, file);
    if (!result) note('s', 0, 0, 0, 0);
    return result;
}
int fsync(int file) { return synced(file, SYS_fsync); }
int fdatasync(int file) { return synced(file, SYS_fdatasync); }
