/* Kills a process at a moment of its publishing that a variable names. Loaded before the C library (LD_PRELOAD), so that the
 * tools themselves need no hook for it. What the moments are: moment.rs. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int ends_with(const char *text, const char *end) {
  size_t length = strlen(text), tail = strlen(end);
  return length >= tail && strcmp(text + length - tail, end) == 0;
}

static void at(const char *moment) {
  const char *wanted = getenv("MILLRACE_TEST_KILL_AT");
  if (wanted && strcmp(wanted, moment) == 0) kill(getpid(), SIGKILL);
}

int rename(const char *from, const char *to) {
  int (*real)(const char *, const char *) = (int (*)(const char *, const char *))dlsym(RTLD_NEXT, "rename");
  int is_latest = ends_with(to, "/latest");
  at(is_latest ? "before_latest" : "sealed");
  int result = real(from, to);
  at(is_latest ? "latest" : "renamed");
  return result;
}

ssize_t write(int file, const void *bytes, size_t length) {
  ssize_t (*real)(int, const void *, size_t) = (ssize_t (*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");
  int is_decision = length > 12 && memmem(bytes, length, "\"previous\":\"", 12);
  if (is_decision) at("deciding");
  ssize_t result = real(file, bytes, length);
  if (is_decision) at("decided");
  if (length > 10 && memmem(bytes, length, "\"COMPLETE\"", 10)) at("logged");
  return result;
}
