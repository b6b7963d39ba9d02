#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "chost.h"

_Static_assert(HOST_SIGHUP == SIGHUP && HOST_SIGINT == SIGINT && HOST_SIGKILL == SIGKILL, "");
_Static_assert(HOST_SIGUSR1 == SIGUSR1 && HOST_SIGTERM == SIGTERM, "");
_Static_assert(HOST_SIGCHLD == SIGCHLD && HOST_SIGWINCH == SIGWINCH, "");

static int signal_pipe[2] = {-1, -1};

static void note(int number) {
  int kept = errno;
  unsigned char byte = (unsigned char)number;
  // A full pipe means that the reader has enough to wake up for already.
  ssize_t ignored = write(signal_pipe[1], &byte, 1);
  (void)ignored;
  errno = kept;
}

void host_ignore_broken_pipes(void) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  sigemptyset(&action.sa_mask);
  action.sa_handler = SIG_IGN;
  sigaction(SIGPIPE, &action, NULL);
}

int32_t host_watch_signals(const int32_t *signals, uint32_t count) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  sigemptyset(&action.sa_mask);
  if (signal_pipe[0] < 0 && pipe2(signal_pipe, O_CLOEXEC | O_NONBLOCK) != 0) return -errno;
  action.sa_handler = note;
  action.sa_flags = SA_RESTART | SA_NOCLDSTOP;
  for (uint32_t i = 0; i < count; i++)
    if (sigaction(signals[i], &action, NULL) != 0) return -errno;
  return signal_pipe[0];
}

void host_reset_signals(void) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  sigemptyset(&action.sa_mask);
  action.sa_handler = SIG_DFL;
  for (int number = 1; number < 32; number++)
    if (number != SIGKILL && number != SIGSTOP) sigaction(number, &action, NULL);
  sigprocmask(SIG_SETMASK, &action.sa_mask, NULL);
}
