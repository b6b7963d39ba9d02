"""From LLVM's text of the optimized agent to its object: smaller than swiftc makes it by itself.

swiftc always generates position-independent code with frame pointers and all functions in one
section. Nothing here needs the first two, and the linker can only fold what stands alone.
"""

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .convention import chosen
from .paths import BuildError, run
from .targets import Target
from .toolchain import swift_tool

# Constants stay where they are used (registers are few), instructions in the order that keeps
# fewest alive, and equal ends of branches are there once, however many there are.
SMALLER = tuple(
    word for option in (
        "-disable-machine-licm", "-pre-RA-sched=list-burr", "-split-spill-mode=size",
        "-tail-merge-threshold=2000", "-tail-merge-size=2",
    ) for word in ("-mllvm", option))
# The module is optimized already: instructions are chosen, and nothing else.
NO_PASSES = ("-Xclang", "-disable-llvm-passes", "-Wno-override-module")
FLAGS = (
    "-Oz", "-fno-pic", "-fomit-frame-pointer", "-ffunction-sections", "-fdata-sections",
    *NO_PASSES, *SMALLER,
)

EDITS = (
    (r'"frame-pointer"="[a-z-]+"', '"frame-pointer"="none"'),
    (r'!"frame-pointer", i32 \d', '!"frame-pointer", i32 0'),
    # What swiftc puts before a trap so that each has its own: nobody tells them apart here.
    (r'^  (?:tail )?call void asm sideeffect "", "n"\(i32 \d+\)[^\n]*\n', ""),
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
        text = re.sub(pattern, replacement, text, flags=re.MULTILINE)
    if "@host_allocate(" not in text:
        raise BuildError(f"{code.name} is not what was expected: nothing allocates")
    text = chosen(target, in_order(text))
    made = code.with_suffix(".o")
    machine = [flag for flag in target.swift_flags if flag.startswith("-m")]
    compiler = [swift_tool("clang"), "-x", "ir", "-target", target.swift_triple, *FLAGS, *machine,
                *target.codegen_flags]
    if target.frame_pointers:
        text = with_smaller_frames(compiler, text, made)
    compiled(compiler, text, made)
    return made


def compiled(compiler: list, text: str, made: Path, **options) -> None:
    edited = made.with_suffix(".edited.ll")
    edited.write_text(text)
    run([*compiler, "-c", edited, "-o", made], f"generating the code of {made.stem}", **options)
    edited.unlink()


WITHOUT, WITH = '"frame-pointer"="none"', '"frame-pointer"="all"'


def with_smaller_frames(compiler: list, text: str, made: Path, **options) -> str:
    """The module in which those functions have a frame pointer that are smaller with one: on x86 a
    word of the stack costs a byte more without, and the pointer a register."""
    pointed = made.with_suffix(".pointed.o")
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(
            lambda variant: compiled(compiler, *variant, **options),
            ((text, made), (text.replace(WITHOUT, WITH), pointed))))
    without, pointing = function_sizes(made), function_sizes(pointed)
    pointed.unlink()
    smaller = {name for name, size in pointing.items() if size < without.get(name, 0)}

    def choice(definition: re.Match) -> str:
        return definition[0] + "00" if definition[1].strip('"') in smaller else definition[0]

    # Such a function has the attributes of the same number and two zeros.
    text = re.sub(r"^define [^\n]*?@([^(\n]+)\([^\n]*? #\d+", choice, text, flags=re.MULTILINE)
    groups = re.findall(rf"^attributes #(\d+) = (.*{WITHOUT}.*)$", text, flags=re.MULTILINE)
    return text + "".join(
        f"attributes #{number}00 = {group.replace(WITHOUT, WITH)}\n" for number, group in groups)


def function_sizes(file: Path) -> dict[str, int]:
    """The size of each function, which has a section of its own."""
    table = run([swift_tool("llvm-objdump"), "-h", "-w", file], f"reading {file.name}")
    rows = re.findall(r"^ *\d+ \.text\.(\S+) +([0-9a-f]+) ", table, flags=re.MULTILINE)
    return {name: int(size, 16) for name, size in rows}
