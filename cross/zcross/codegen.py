"""From LLVM's text of the optimized agent to its object: smaller than swiftc makes it by itself.

swiftc always generates position-independent code with frame pointers and all functions in one
section. Nothing here needs the first two, and the linker can only fold what stands alone.
"""

import re
from pathlib import Path

from .convention import chosen
from .paths import BuildError, run
from .targets import Target
from .toolchain import swift_tool

FLAGS = (
    # The module is optimized already: instructions are chosen, and nothing else.
    "-Oz", "-Xclang", "-disable-llvm-passes", "-fno-pic", "-fomit-frame-pointer",
    "-ffunction-sections", "-fdata-sections", "-Wno-override-module",
)

EDITS = (
    (r'"frame-pointer"="[a-z-]+"', '"frame-pointer"="none"'),
    (r'!"frame-pointer", i32 \d', '!"frame-pointer", i32 0'),
    # Guards on the stack of functions that use pointers: the C libraries have none either.
    (r" sspreq\b", ""),
    # Where memory is refused Swift would trap: CHost's function says so.
    (r"@posix_memalign\b", "@host_allocate"),
    # What a job or a key left in memory is overwritten when it is given back: CHost's function.
    (r"@free\b", "@host_release"),
)


FUNCTION = re.compile(r"^define [^\n]*?@([^(\n]+)\([^\n]*\{\n.*?^\}\n\n?", re.MULTILINE | re.DOTALL)


def in_order(text: str) -> str:
    """The same module with its functions by name: swiftc's order of them is not always the same.
    Functions without a name must stay in the order of their numbers."""
    functions = [(match[1].isdigit(), match[1], match[0]) for match in FUNCTION.finditer(text)]
    named = sorted(function[1:] for function in functions if not function[0])
    bodies = [body for isNumber, _, body in functions if isNumber] + [body for _, body in named]
    return FUNCTION.sub("", text) + "\n" + "".join(bodies)


def generate(target: Target, code: Path) -> Path:
    """Makes the object of `code`; returns it."""
    text = code.read_text()
    for pattern, replacement in EDITS:
        text = re.sub(pattern, replacement, text)
    if "@host_allocate(" not in text:
        raise BuildError(f"{code.name} is not what was expected: nothing allocates")
    text = in_order(text)
    edited = code.with_suffix(".edited.ll")
    edited.write_text(chosen(target, text))
    made = code.with_suffix(".o")
    machine = [flag for flag in target.swift_flags if flag.startswith("-m")]
    run(
        [swift_tool("clang"), "-x", "ir", "-target", target.swift_triple, *FLAGS, *machine,
         *target.codegen_flags, "-c", edited, "-o", made],
        f"generating the code of {code.name}")
    edited.unlink()
    return made
