/* What the tests in a virtual machine need and no shell can do well.
 *   helper orphans COUNT    makes COUNT processes that end after their parent has; says for how long the oldest zombie
 *                           of the first process was seen (milliseconds)
 *   helper eat MEGABYTES    takes memory and touches it
 *   helper forks COUNT      says how many processes it could make, all alive at once
 *   helper stubborn COUNT   ignores SIGTERM, with COUNT children that do too
 *   helper count TEXT       says how many processes have TEXT in their command line
 *   helper kill COUNT TEXT  kills so many of these, other ones each time
 *   helper hang             stops the first process for good, as a fault in it would
 *   helper statuses COUNT   makes COUNT children of its own with known exit statuses, and counts those that were told */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1e3 + time.tv_nsec / 1e6;
}

/* The start time of a zombie child of the first process: a number that tells one process from another of the same
 * number. 0 for all other processes. */
static unsigned long long zombie(const char *number) {
  char path[64], text[512];
  snprintf(path, sizeof path, "/proc/%s/stat", number);
  int file = open(path, O_RDONLY);
  if (file < 0) return 0;
  ssize_t length = read(file, text, sizeof text - 1);
  close(file);
  if (length <= 0) return 0;
  text[length] = 0;
  char *rest = strrchr(text, ')');
  char state;
  int parent;
  unsigned long long started;
  if (!rest || sscanf(rest + 2, "%c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
                      &state, &parent, &started) != 3) return 0;
  return state == 'Z' && parent == 1 ? started + 1 : 0;
}

/* Every zombie of the first process that is there now, with when it was first seen. */
#define MOST 65536
static struct { unsigned long long started; double since; } seen[MOST];
static long left_now;

static double look(double oldest) {
  DIR *processes = opendir("/proc");
  struct dirent *entry;
  static char present[MOST];
  memset(present, 0, sizeof present);
  left_now = 0;
  while (processes && (entry = readdir(processes))) {
    long number = atol(entry->d_name);
    if (number <= 1) continue;
    unsigned long long started = zombie(entry->d_name);
    if (!started) continue;
    left_now++;
    long place = number % MOST;
    present[place] = 1;
    if (seen[place].started != started) {
      seen[place].started = started;
      seen[place].since = now();
    }
    double age = now() - seen[place].since;
    if (age > oldest) oldest = age;
  }
  if (processes) closedir(processes);
  for (long place = 0; place < MOST; place++)
    if (!present[place]) seen[place].started = 0;
  return oldest;
}

static int orphans(long count) {
  double oldest = 0, begin = now();
  long made = 0;
  /* Each batch is a parent that ends at once and leaves its children to the first process. */
  while (made < count) {
    long batch = count - made < 200 ? count - made : 200;
    pid_t parent = fork();
    if (parent < 0) {
      if (errno != EAGAIN) return 1;
      usleep(1000);
      continue;
    }
    if (parent == 0) {
      for (long child = 0; child < batch; child++) {
        pid_t orphan = fork();
        if (orphan < 0) { usleep(1000); child--; continue; }
        if (orphan == 0) { usleep(child % 8 * 500); _exit(child & 0xff); }
      }
      _exit(0);
    }
    waitpid(parent, NULL, 0);
    made += batch;
    if (made / batch % 5 == 0) oldest = look(oldest);
  }
  double took = now() - begin;
  for (int turn = 0; turn < 3000; turn++) {
    oldest = look(oldest);
    if (!left_now) break;
    usleep(1000);
  }
  printf("orphans=%ld oldest_ms=%.0f left=%ld per_s=%.0f\n", made, oldest, left_now, made / took * 1e3);
  return 0;
}

static int eat(long megabytes) {
  for (long megabyte = 0; megabyte < megabytes; megabyte++) {
    char *memory = malloc(1 << 20);
    if (!memory) return 3;
    memset(memory, 1 + megabyte % 100, 1 << 20);
  }
  printf("ate=%ld\n", megabytes);
  return 0;
}

static int forks(long count) {
  long made = 0;
  for (long child = 0; child < count; child++) {
    pid_t pid = fork();
    if (pid == 0) { pause(); _exit(0); }
    if (pid < 0) break;
    made++;
  }
  printf("forks=%ld errno=%d\n", made, errno);
  fflush(stdout);
  pause();
  return 0;
}

static void stubborn(long count) {
  signal(SIGTERM, SIG_IGN);
  while (count-- > 0 && fork() != 0) {}
  for (;;) pause();
}

/* Whether a process other than this one has `text` in its command line. */
static int has(const char *number, const char *text) {
  char path[64], line[1024];
  snprintf(path, sizeof path, "/proc/%s/cmdline", number);
  int file = atol(number) > 1 && atol(number) != getpid() ? open(path, O_RDONLY) : -1;
  if (file < 0) return 0;
  ssize_t length = read(file, line, sizeof line - 1);
  close(file);
  for (ssize_t at = 0; at < length; at++)
    if (!line[at]) line[at] = ' ';
  line[length > 0 ? length : 0] = 0;
  return strstr(line, text) != NULL;
}

/* Counts them, and kills up to `most`, from a place that the clock chooses. */
static long each(const char *text, long most) {
  DIR *processes = opendir("/proc");
  struct dirent *entry;
  long count = 0;
  static pid_t found[MOST];
  while (processes && (entry = readdir(processes)))
    if (has(entry->d_name, text) && count < MOST) found[count++] = atol(entry->d_name);
  if (processes) closedir(processes);
  long first = count ? (long)(now() * 1e3) % count : 0;
  for (long at = 0; at < most && at < count; at++) kill(found[(first + at) % count], SIGKILL);
  return count;
}

static int hang(void) {
  if (ptrace(PTRACE_SEIZE, 1, 0, 0) || ptrace(PTRACE_INTERRUPT, 1, 0, 0)) {
    perror("ptrace");
    return 1;
  }
  for (;;) pause();
}

static int statuses(long count) {
  long right = 0;
  double begin = now();
  for (long child = 0; child < count; child++) {
    pid_t pid = fork();
    if (pid == 0) _exit(child % 251);
    int status;
    if (pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == child % 251) right++;
  }
  printf("statuses=%ld right=%ld per_s=%.0f\n", count, right, count / (now() - begin) * 1e3);
  return right != count;
}

int main(int count, char **arguments) {
  const char *what = count > 1 ? arguments[1] : "";
  long number = count > 2 ? atol(arguments[2]) : 0;
  if (!strcmp(what, "orphans")) return orphans(number);
  if (!strcmp(what, "eat")) return eat(number);
  if (!strcmp(what, "forks")) return forks(number);
  if (!strcmp(what, "stubborn")) stubborn(number);
  if (!strcmp(what, "count") && count > 2) return printf("%ld\n", each(arguments[2], 0)) < 0;
  if (!strcmp(what, "kill") && count > 3) return each(arguments[3], number) == 0;
  if (!strcmp(what, "hang")) return hang();
  if (!strcmp(what, "statuses")) return statuses(number);
  fprintf(stderr, "helper: what? %s\n", what);
  return 2;
}
