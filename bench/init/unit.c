/* What the units of the bench run: as little as a process can be, without a C library, so that what is measured
 * is the supervisor. Compiled four times:
 *   ONCE   counts itself in and ends
 *   LONG   counts itself in, says that it is ready where somebody listens, and sleeps for ever
 *   CRASH  counts itself in, lives for 100 ms and fails
 *   DONE   notes when it was started: it is the unit that comes after all others
 * The page is shared with the observer: see bench/observer/src/page.rs. READY_FD is where s6 listens. */
#if !defined(__x86_64__)
#error "the system calls below are those of x86-64"
#endif

typedef unsigned long word;
enum { READ = 0, WRITE = 1, OPEN = 2, MMAP = 9, PAUSE = 34, NANOSLEEP = 35, SOCKET = 41, SENDTO = 44, EXIT = 60,
       GETCWD = 79, CLOCK_GETTIME = 228 };
enum { ARRIVED = 0, LAST = 1, DONE_AT = 2, RESTARTS = 3, LATENCY_SUM = 4, LATENCY_MAX = 5, SLOTS = 64 };

static long call(long number, word a, word b, word c, word d, word e, word f) {
  long result;
  register word r10 __asm__("r10") = d;
  register word r8 __asm__("r8") = e;
  register word r9 __asm__("r9") = f;
  __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return result;
}

static word now(void) {
  word time[2];
  call(CLOCK_GETTIME, 1, (word)time, 0, 0, 0, 0);
  return time[0] * 1000000000ul + time[1];
}

#ifndef DONE
static void raise_to(volatile word *place, word value) {
  word old = *place;
  while (old < value && !__atomic_compare_exchange_n(place, &old, value, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
  }
}
#endif

#ifdef LONG
static void say_ready(char **environment) {
  static const char name[] = "NOTIFY_SOCKET=";
  for (; *environment; environment++) {
    const char *entry = *environment;
    int at = 0;
    while (name[at] && entry[at] == name[at]) at++;
    if (name[at]) continue;
    struct { unsigned short family; char path[108]; } address = { 1, { 0 } };
    word length = 0;
    while (entry[at] && length < sizeof address.path) address.path[length++] = entry[at++];
    if (address.path[0] == '@') address.path[0] = 0;
    long socket = call(SOCKET, 1, 2, 0, 0, 0, 0);
    call(SENDTO, socket, (word) "READY=1", 7, 0, (word)&address, length + 2);
  }
#ifdef READY_FD
  call(WRITE, READY_FD, (word) "\n", 1, 0, 0, 0);
#endif
}
#endif

#ifdef CRASH
/* The number of the unit: its argument, or what its working folder ends with. */
static word number(long count, char **arguments) {
  char folder[256];
  const char *text = folder;
  if (count > 1) text = arguments[1];
  else if (call(GETCWD, (word)folder, sizeof folder, 0, 0, 0, 0) <= 0) return 0;
  word value = 0;
  for (; *text; text++) value = *text >= '0' && *text <= '9' ? value * 10 + (*text - '0') : 0;
  return value % 256;
}
#endif

__attribute__((used)) void begin(long *stack) {
  long count = stack[0];
  char **arguments = (char **)(stack + 1);
  char **environment = arguments + count + 1;
  word at = now();
  long file = call(OPEN, (word) "/run/bench/page", 2, 0, 0, 0, 0);
  volatile word *page = (word *)call(MMAP, 0, 4096, 3, 1, file, 0);
  if (file < 0 || (long)page < 0) call(EXIT, 111, 0, 0, 0, 0, 0);
  int status = 0;
#ifdef DONE
  page[DONE_AT] = at;
#else
  raise_to(&page[LAST], at);
  __atomic_fetch_add(&page[ARRIVED], 1, __ATOMIC_RELAXED);
#endif
#ifdef LONG
  say_ready(environment);
  for (;;) call(PAUSE, 0, 0, 0, 0, 0, 0);
#endif
#ifdef CRASH
  volatile word *slot = &page[SLOTS + number(count, arguments)];
  if (*slot) {
    __atomic_fetch_add(&page[RESTARTS], 1, __ATOMIC_RELAXED);
    __atomic_fetch_add(&page[LATENCY_SUM], at - *slot, __ATOMIC_RELAXED);
    raise_to(&page[LATENCY_MAX], at - *slot);
  }
  word pause[2] = { 0, 100000000 };
  call(NANOSLEEP, (word)pause, 0, 0, 0, 0, 0);
  *slot = now();
  status = 1;
#endif
  (void)environment;
  call(EXIT, status, 0, 0, 0, 0, 0);
  __builtin_unreachable();
}

__asm__(".globl _start\n_start:\n  mov %rsp, %rdi\n  and $-16, %rsp\n  call begin\n");
