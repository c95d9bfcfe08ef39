// What `npm run bench mount` compares with: a file system of one empty file on libfuse3's low-level interface, and the load.
//   mount-in-c serve DIR VALID [libfuse options]    serves until it is unmounted; the kernel may remember names and attributes for VALID seconds
//   mount-in-c load DIR KIND SECONDS                KIND is getattr, lookup, read or open; prints calls a second, and p50 and p99 in µs
// With VALID 0 nothing is cached: each call is one request. `open` opens the file, reads it and closes it: with names that are remembered
// that is OPEN, READ, FLUSH and RELEASE.
#define _GNU_SOURCE
#define FUSE_USE_VERSION 312
#include <errno.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FILE_INODE 2
#define FILE_NAME "file"
#define FILE_BYTES 4096
#define SAMPLES_MAX 4000000

static double valid_seconds;

static int attributes(fuse_ino_t inode, struct stat *out) {
  memset(out, 0, sizeof *out);
  out->st_ino = inode;
  if (inode == FUSE_ROOT_ID) out->st_mode = S_IFDIR | 0755, out->st_nlink = 2;
  else if (inode == FILE_INODE) out->st_mode = S_IFREG | 0644, out->st_nlink = 1, out->st_size = FILE_BYTES;
  else return -1;
  return 0;
}

static void on_getattr(fuse_req_t request, fuse_ino_t inode, struct fuse_file_info *file) {
  struct stat out;
  (void)file;
  if (attributes(inode, &out) < 0) fuse_reply_err(request, ENOENT);
  else fuse_reply_attr(request, &out, valid_seconds);
}

static void on_lookup(fuse_req_t request, fuse_ino_t parent, const char *name) {
  struct fuse_entry_param entry = {.attr_timeout = valid_seconds, .entry_timeout = valid_seconds};
  if (parent == FUSE_ROOT_ID && strcmp(name, FILE_NAME) == 0) entry.ino = FILE_INODE, attributes(FILE_INODE, &entry.attr);
  fuse_reply_entry(request, &entry);
}

static void on_open(fuse_req_t request, fuse_ino_t inode, struct fuse_file_info *file) {
  (void)inode;
  fuse_reply_open(request, file);
}

static char contents[FILE_BYTES];

static void on_read(fuse_req_t request, fuse_ino_t inode, size_t size, off_t offset, struct fuse_file_info *file) {
  (void)inode, (void)file;
  if (offset >= FILE_BYTES) size = 0;
  else if (size > (size_t)(FILE_BYTES - offset)) size = FILE_BYTES - offset;
  fuse_reply_buf(request, contents + (size == 0 ? 0 : offset), size);
}

static void on_flush(fuse_req_t request, fuse_ino_t inode, struct fuse_file_info *file) {
  (void)inode, (void)file;
  fuse_reply_err(request, 0);
}

static int serve(int argc, char **argv) {
  static const struct fuse_lowlevel_ops operations = {
      .getattr = on_getattr, .lookup = on_lookup, .open = on_open, .read = on_read, .flush = on_flush, .release = on_flush};
  struct fuse_args arguments = FUSE_ARGS_INIT(argc - 3, argv + 3);
  const char *directory = argv[2];
  valid_seconds = atof(argv[3]);
  argv[3] = argv[0];
  struct fuse_session *session = fuse_session_new(&arguments, &operations, sizeof operations, NULL);
  if (session == NULL || fuse_session_mount(session, directory) != 0) return 1;
  fuse_session_loop(session);
  fuse_session_unmount(session);
  fuse_session_destroy(session);
  return 0;
}

static double now_us(void) {
  struct timespec at;
  clock_gettime(CLOCK_MONOTONIC, &at);
  return at.tv_sec * 1e6 + at.tv_nsec / 1e3;
}

static int by_value(const void *a, const void *b) {
  float x = *(const float *)a, y = *(const float *)b;
  return (x > y) - (x < y);
}

static int open_read_close(char *buffer) {
  int fd = open(FILE_NAME, O_RDONLY | O_DIRECT);
  if (fd < 0) return -1;
  ssize_t got = read(fd, buffer, FILE_BYTES);
  return close(fd) != 0 || got != FILE_BYTES ? -1 : 0;
}

static int load(const char *directory, const char *kind, double seconds) {
  static float samples[SAMPLES_MAX];
  static char buffer[FILE_BYTES] __attribute__((aligned(4096)));
  struct stat out;
  char path[4096];
  if (chdir(directory) != 0) return 1;
  int direct = strcmp(kind, "read") == 0 ? O_DIRECT : 0;
  int fd = open(FILE_NAME, O_RDONLY | direct);
  if (fd < 0) return perror(FILE_NAME), 1;
  snprintf(path, sizeof path, "absent");
  double start = now_us(), before = start;
  long count = 0;
  while (before - start < seconds * 1e6 && count < SAMPLES_MAX) {
    int failed;
    if (strcmp(kind, "getattr") == 0) failed = fstat(fd, &out) != 0;
    else if (strcmp(kind, "lookup") == 0) failed = stat(path, &out) == 0 || errno != ENOENT;
    else if (strcmp(kind, "open") == 0) failed = open_read_close(buffer) != 0;
    else failed = pread(fd, buffer, FILE_BYTES, 0) != FILE_BYTES;
    if (failed) return perror(kind), 1;
    double after = now_us();
    samples[count++] = after - before;
    before = after;
  }
  qsort(samples, count, sizeof *samples, by_value);
  printf("%.0f %.1f %.1f\n", count / ((before - start) / 1e6), samples[count / 2], samples[count * 99 / 100]);
  return 0;
}

int main(int argc, char **argv) {
  if (argc >= 4 && strcmp(argv[1], "serve") == 0) return serve(argc, argv);
  if (argc == 5 && strcmp(argv[1], "load") == 0) return load(argv[2], argv[3], atof(argv[4]));
  fprintf(stderr, "usage: %s serve DIR VALID | load DIR KIND SECONDS\n", argv[0]);
  return 2;
}
