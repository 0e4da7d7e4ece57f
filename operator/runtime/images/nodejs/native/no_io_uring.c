// Preloaded. libuv makes a ring of io_uring's for every event loop since 1.50, whatever UV_USE_IO_URING says, and CRIU
// cannot dump one. Told that the kernel has none, it does without.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <sys/syscall.h>

static long (*next)(long, ...);

__attribute__((constructor)) static void find(void) { next = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall"); }

// glibc's: six arguments at most, all of a register's size.
long syscall(long number, ...) {
  long given[6];
  va_list list;
  if (number == SYS_io_uring_setup) {
    errno = ENOSYS;
    return -1;
  }
  va_start(list, number);
  for (int i = 0; i < 6; i++) given[i] = va_arg(list, long);
  va_end(list);
  if (!next) find();
  return next(number, given[0], given[1], given[2], given[3], given[4], given[5]);
}
