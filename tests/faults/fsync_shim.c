/* Loaded into Redis by LD_PRELOAD: writes down how much of each file a power cut would leave.
 *
 * After each fsync or fdatasync that returned well: one line "<inode> <size before the call>" at the end of the file
 * named by FSYNC_LOG. What was written while the call ran does not count. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int synced(const char *name, int fd) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    struct stat before;
    int known = fstat(fd, &before) == 0 && S_ISREG(before.st_mode);
    int result = real(fd);
    const char *path = getenv("FSYNC_LOG");
    if (result == 0 && known && path != NULL) {
        char line[64];
        int length = snprintf(line, sizeof line, "%lu %lld\n", (unsigned long)before.st_ino, (long long)before.st_size);
        int log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (log >= 0) {
            if (write(log, line, (size_t)length) < 0) abort();
            close(log);
        }
    }
    return result;
}

int fsync(int fd) { return synced("fsync", fd); }
int fdatasync(int fd) { return synced("fdatasync", fd); }
