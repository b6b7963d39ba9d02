"""That nothing in a linked agent calls musl's own allocator past CHost's.

The linker's `--wrap` leads every reference to `free` to CHost's `__wrap_free`. What still calls musl's
`free` must be `__wrap_free` itself.
"""

import re
from pathlib import Path

from .paths import BuildError, run
from .toolchain import swift_tool

# Functions of musl that CHost's stand before (`embedded_runtime.c`).
WRAPPED = ("posix_memalign", "free", "realloc")
FUNCTION = re.compile(r"^[0-9a-f]+ <(.+)>:$")
# ARM's calls may go by way of a thunk of the linker's, and have a comment.
CALL = re.compile(rf"<(?:\w+Thunk_)?(__wrap_)?({'|'.join(WRAPPED)})>(?: +@ .*)?$")


def check(program: Path) -> None:
    """Fails if anything but CHost's functions calls musl's; `program` has symbols."""
    text = run(
        [swift_tool("llvm-objdump"), "-d", "--no-show-raw-insn", program],
        f"disassembling {program.name}")
    caller, wrapped = "", set()
    for line in text.splitlines():
        if function := FUNCTION.match(line):
            caller = function[1]
        elif call := CALL.search(line):
            if call[1]:
                wrapped.add(call[2])
            elif caller != f"__wrap_{call[2]}" and caller != call[2]:
                raise BuildError(f"{program}: {caller} calls musl's own {call[2]}")
    if missing := set(WRAPPED) - wrapped:
        raise BuildError(f"{program}: nothing calls CHost's {', '.join(sorted(missing))}")
