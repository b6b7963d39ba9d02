"""Processes that end with the process that started them, for any reason."""

import ctypes
import os
import signal

LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1


def end_with(parent):
    """Call it in a new process with its creator's process id. The kernel's parent is the thread
    that forked: if that thread ends before its program, this process ends too."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
