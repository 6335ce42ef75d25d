/* What the tests in a virtual machine need and no shell can do well.
 *   helper orphans COUNT    makes COUNT processes that end after their parent has; says for how long the oldest zombie
 *                           of the first process was seen (milliseconds)
 *   helper eat MEGABYTES    takes memory and touches it
 *   helper forks COUNT      says how many processes it could make, all alive at once
 *   helper stubborn COUNT   ignores SIGTERM, with COUNT children that do too
 *   helper count TEXT       says how many processes have TEXT in their command line
 *   helper kill COUNT TEXT  kills so many of these, other ones each time
 *   helper hang             stops the first process for good, as a fault in it would
 *   helper statuses COUNT   makes COUNT children of its own with known exit statuses, and counts those that were told
 *   helper first COUNT      the same as orphans, below a first process that does nothing but reap: what the machine can do
 *   helper chatter          says `line 0`, `line 1` and so on, twenty a second
 *   helper keeper FILE      a service that lets a descriptor be kept; when it gets one back, FILE says who has kept it
 *   helper squeeze MS       lets the machine make no process for so long
 *   helper bomb             makes processes that make processes, as fast as it may
 *   helper exit STATUS      ends at once, with this status */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/un.h>
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

/* To be the first process of a namespace. */
static int first(long count) {
  pid_t maker = fork();
  if (maker == 0) {
    fflush(stdout);
    int status = orphans(count);
    fflush(stdout);
    _exit(status);
  }
  for (;;) {
    int status;
    pid_t ended = waitpid(-1, &status, 0);
    if (ended == maker) return WEXITSTATUS(status);
    if (ended < 0) return 1;
  }
}

static void chatter(void) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  for (long line = 0;; line++) {
    printf("line %ld\n", line);
    usleep(50000);
  }
}

/* Says something to whoever looks after this service, with a descriptor beside it where there is one. */
static int notify(const char *text, int fd) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  const char *path = getenv("NOTIFY_SOCKET");
  if (!path || strlen(path) >= sizeof address.sun_path) return 1;
  strcpy(address.sun_path, path);
  union { char space[CMSG_SPACE(sizeof fd)]; struct cmsghdr align; } control = {{0}};
  struct iovec piece = {.iov_base = (void *)text, .iov_len = strlen(text)};
  struct msghdr message = {.msg_name = &address, .msg_namelen = sizeof address, .msg_iov = &piece, .msg_iovlen = 1};
  if (fd >= 0) {
    message.msg_control = control.space;
    message.msg_controllen = sizeof control.space;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(header), &fd, sizeof fd);
  }
  int to = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  int failed = to < 0 || sendmsg(to, &message, 0) < 0;
  if (failed) perror("notify");
  close(to);
  return failed;
}

static int keeper(const char *file) {
  char text[64];
  const char *given = getenv("LISTEN_FDS");
  if (given && atoi(given) > 0) {
    ssize_t length = pread(3, text, sizeof text, 0);
    int out = open(file, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (length < 0 || out < 0 || write(out, text, length) != length) return 1;
    close(out);
    if (notify("READY=1", -1)) return 1;
  } else {
    int kept = memfd_create("kept", 0);
    int length = snprintf(text, sizeof text, "kept by %d\n", getpid());
    if (kept < 0 || write(kept, text, length) != length) return 1;
    if (notify("FDSTORE=1\nFDNAME=kept", kept) || notify("READY=1", -1)) return 1;
  }
  for (;;) pause();
}

static int squeeze(long milliseconds) {
  char before[32] = {0};
  int most = open("/proc/sys/kernel/threads-max", O_RDWR);
  int load = open("/proc/loadavg", O_RDONLY);
  char text[128] = {0};
  if (most < 0 || load < 0 || read(most, before, sizeof before - 1) <= 0 || read(load, text, sizeof text - 1) <= 0) return 1;
  char *there = strchr(text, '/');
  char few[32];
  /* Those that end meanwhile make no room. */
  int length = snprintf(few, sizeof few, "%d\n", there ? atoi(there + 1) - 8 : 20);
  if (pwrite(most, few, length, 0) != length) return 1;
  int refused = fork() < 0 && errno == EAGAIN;
  usleep(milliseconds * 1000);
  if (pwrite(most, before, strlen(before), 0) <= 0) return 1;
  if (!refused) fprintf(stderr, "a process could be made\n");
  return !refused;
}

static void bomb(void) {
  for (;;)
    if (fork() < 0) usleep(50000);
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
  if (!strcmp(what, "first")) return first(number);
  if (!strcmp(what, "chatter")) chatter();
  if (!strcmp(what, "keeper") && count > 2) return keeper(arguments[2]);
  if (!strcmp(what, "squeeze")) return squeeze(number);
  if (!strcmp(what, "bomb")) bomb();
  if (!strcmp(what, "exit")) return number;
  fprintf(stderr, "helper: what? %s\n", what);
  return 2;
}
