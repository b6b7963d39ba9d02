"""Where things are, and how this toolchain speaks: one place for both."""

import os
import subprocess
import sys
import threading
from pathlib import Path

TREE = Path(__file__).resolve().parents[2]
BUILD = TREE / ".build-cross"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "zennet"
ZIG = CACHE / "zig" / "zig"
ZIG_INCLUDE = CACHE / "zig" / "lib" / "libc" / "include"


class BuildError(Exception):
    """Something that a person must mend; its text is the whole message."""


def paint(code: str, text: str) -> str:
    """Colours `text` on a terminal, and nowhere else."""
    return f"\033[{code}m{text}\033[0m" if sys.stdout.isatty() else text


def say(label: str, text: str) -> None:
    print(f"{paint('36', f'{label:>10}')}  {text}", flush=True)


def fail(error: BuildError) -> int:
    sys.stdout.flush()
    print(f"{paint('31', 'error')}: {error}", file=sys.stderr)
    return 1


# A compiler uses one processor: as many at a time as there are, whichever thread starts them.
_processors = threading.Semaphore(os.cpu_count() or 1)


def attempt(command: list, **options) -> subprocess.CompletedProcess:
    """Runs a command when a processor is free. Its output and its errors are one text."""
    with _processors:
        return subprocess.run(
            [str(word) for word in command], text=True, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, **options)


def run(command: list, what: str, **options) -> str:
    """Runs a command and returns its output, which is the message of the error if it fails."""
    result = attempt(command, **options)
    if result.returncode != 0:
        raise BuildError(f"{what} failed (exit {result.returncode})\n{result.stdout.rstrip()}")
    return result.stdout
