// The small process that stands above the agent: it waits, passes signals on, and says what became of a
// child that did not end by itself. It holds nothing but what this file needs, and sleeps in one call.
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "chost.h"
#include "text.h"

enum {
  LINE_BYTES = 512,
  // A child that lived so long does not count as one more failure in a row.
  STEADY_MS = 600000,
};

// What the child leaves for its parent: the last line that it logged.
struct legacy {
  volatile uint32_t length;
  char line[LINE_BYTES];
};

static struct legacy *legacy;

void host_keep_last_line(const uint8_t *bytes, uint64_t count) {
  if (!legacy) return;
  while (count > 0 && bytes[count - 1] == '\n') count--;
  if (count > LINE_BYTES) count = LINE_BYTES;
  legacy->length = 0;
  memcpy(legacy->line, bytes, (size_t)count);
  legacy->length = (uint32_t)count;
}

static const char *name_of(int number) {
  switch (number) {
    case SIGILL: return "SIGILL, a trap of the program";
    case SIGTRAP: return "SIGTRAP, a trap of the program";
    case SIGABRT: return "SIGABRT, given up by a library";
    case SIGSEGV: return "SIGSEGV, memory that is not there";
    case SIGBUS: return "SIGBUS, memory or disk that is not there";
    case SIGFPE: return "SIGFPE, arithmetic";
    case SIGSYS: return "SIGSYS, a system call that is forbidden here";
    case SIGKILL: return "SIGKILL, by somebody or for lack of memory";
    default: return NULL;
  }
}

// Faults of the program or of the machine, after which another attempt makes sense. Other signals were
// meant for the program.
static int is_fault(int number) { return name_of(number) != NULL; }

static uint64_t now_ms(void) { return host_monotonic_ns() / 1000000; }

static void watched_signals(sigset_t *set) {
  sigemptyset(set);
  sigaddset(set, SIGTERM);
  sigaddset(set, SIGINT);
  sigaddset(set, SIGHUP);
  sigaddset(set, SIGCHLD);
}

// Waits for the child's end, and passes on what asks it to end. Sets stopped when that happened.
static int attend(pid_t child, const sigset_t *watched, int *stopped) {
  int status = 0;
  for (;;) {
    siginfo_t info;
    int number = sigwaitinfo(watched, &info);
    // A kernel without the call: nothing can be passed on, but the end is still waited for.
    int can_wait = number >= 0 || errno == EINTR;
    pid_t done;
    // Where this is process 1, others' orphans end here too.
    do done = waitpid(-1, &status, can_wait ? WNOHANG : 0);
    while (done > 0 && done != child);
    if (done == child || (done < 0 && errno != EINTR)) return status;
    if (number <= 0 || number == SIGCHLD) continue;
    *stopped = 1;
    // The terminal's keys reach the child without us.
    if (info.si_code <= 0) kill(child, number);
  }
}

// Sleeps before another attempt; 1 when it was asked to end instead.
static int was_stopped_during(uint32_t seconds, const sigset_t *watched) {
  uint64_t end = now_ms() + (uint64_t)seconds * 1000;
  for (uint64_t now = now_ms(); now < end; now = now_ms()) {
    struct timespec left = {(time_t)((end - now) / 1000), (long)((end - now) % 1000) * 1000000};
    int number = sigtimedwait(watched, NULL, &left);
    if (number > 0 && number != SIGCHLD) return 1;
    if (number < 0 && errno != EINTR && errno != EAGAIN) nanosleep(&left, NULL);
  }
  return 0;
}

// One line: what ended the child, after how long, its last words, what comes now. delay < 0: nothing.
static void report(int status, uint64_t lived_ms, int64_t delay_s) {
  char bytes[LINE_BYTES + 256];
  struct text text = {bytes, sizeof bytes, 0};
  uint32_t length = legacy ? legacy->length : 0;
  if (length > LINE_BYTES) length = 0;
  text_add(&text, "zennet-agent: ended by ");
  text_add(&text, WIFSIGNALED(status) ? name_of(WTERMSIG(status)) : "a lack of memory");
  text_add(&text, ", after ");
  text_add_number(&text, lived_ms / 1000);
  text_add(&text, ".");
  text_add_number(&text, lived_ms / 100 % 10);
  text_add(&text, " s");
  if (delay_s >= 0) {
    text_add(&text, "; starting again in ");
    text_add_number(&text, (uint64_t)delay_s);
    text_add(&text, " s");
  }
  text_add(&text, "; last line: ");
  text_add_bytes(&text, length > 0 ? legacy->line : "none", length > 0 ? length : 4);
  text_add(&text, "\n");
  host_log((const uint8_t *)bytes, text.length);
}

// Ends as the child did, so that whoever waits for us sees the same.
static void end_by(int number) {
  sigset_t all;
  signal(number, SIG_DFL);
  sigemptyset(&all);
  sigprocmask(SIG_SETMASK, &all, NULL);
  kill(getpid(), number);
  _exit(128 + number);
}

static void become_child(pid_t parent, const sigset_t *mask) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(0);
  sigprocmask(SIG_SETMASK, mask, NULL);
}

void host_supervise(uint32_t restarts, int32_t fault_status, int32_t memory_status) {
  struct legacy *shared = mmap(
      NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  legacy = shared == MAP_FAILED ? NULL : shared;
  sigset_t watched, mask;
  watched_signals(&watched);
  signal(SIGCHLD, SIG_DFL);
  sigprocmask(SIG_BLOCK, &watched, &mask);
  pid_t self = getpid();
  for (uint32_t faults = 0;; faults++) {
    uint64_t began = now_ms();
    int stopped = 0;
    if (legacy) legacy->length = 0;
    pid_t child = fork();
    // Without a second process the program still runs, only unwatched.
    if (child < 0) sigprocmask(SIG_SETMASK, &mask, NULL);
    if (child == 0) become_child(self, &mask);
    if (child <= 0) return;
    host_release_program_pages();
    int status = attend(child, &watched, &stopped);
    uint64_t lived_ms = now_ms() - began;
    int number = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    int is_memory = number == 0 && WEXITSTATUS(status) == memory_status;
    // A test kills the program at a fault point: that means this process too.
    if (number == SIGKILL && host_environment("ZENNET_FAULT")) end_by(number);
    if (number == 0 && !is_memory) _exit(WEXITSTATUS(status));
    if (number != 0 && !is_fault(number)) end_by(number);
    if (lived_ms > STEADY_MS) faults = 0;
    int is_over = stopped || faults >= restarts;
    uint32_t delay_s = 1u << (faults < 6 ? faults : 6);
    if (number != 0 || !is_over) report(status, lived_ms, is_over ? -1 : (int64_t)delay_s);
    if (is_over || was_stopped_during(delay_s, &watched))
      _exit(is_memory ? memory_status : fault_status);
  }
}
