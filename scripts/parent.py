"""Processes that end with the one that started them, in whatever way that ends."""

import ctypes
import os
import signal

LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1


def end_with(parent):
    """To be called in a new process, by whose creator's number it goes. For the kernel a parent is
    the thread that forked: one that ends before its program takes this process along."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
