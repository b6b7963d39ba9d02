"""Calling conventions that make the callers smaller, written into LLVM's text of the agent.

The agent is one object: whoever calls its functions is in the same text. A convention may be any, as
long as a function and all calls to it have the same one.
"""

import re
from collections import Counter

from .targets import Target

# swiftc puts them wherever a reference is copied or dropped: one call of four.
COUNTING = (
    "swift_retain", "swift_retain_n", "swift_release", "swift_release_n",
    "swift_bridgeObjectRetain", "swift_bridgeObjectRetain_n",
    "swift_bridgeObjectRelease", "swift_bridgeObjectRelease_n",
)
# And these wherever a text is: they look whether it counts references.
TEXTS = ("$es13_StringObjectV7VariantOWOy", "$es13_StringObjectV7VariantOWOe")

IN_REGISTER = re.compile(r"\s*(?:i1|i8|i16|i32|i64|ptr)\b")
OPERAND = re.compile(r'"[^"]*"|[(){}\[\]<>,]')
NAME = r'@("[^"]*"|[\w.$]+)'
SWIFT_CALLEE = re.compile(r'swiftcc [^@%"]*?(?:@"[^"]*"|@[\w.$]+|%[\w.]+)\(')
C_CALLEE = re.compile(rf'(?:\bcall|^define) [^@%"]*?{NAME}\(')
KEEPING_CALL = re.compile(
    r'^([^"]*?)(?:tail )?call ((?:ptr|void) )@"?('
    + "|".join(map(re.escape, (*COUNTING, *TEXTS))) + r')"?\(([^()]*)\)')


def chosen(target: Target, text: str) -> str:
    """The text with the conventions that suit the machine: elsewhere they save next to nothing."""
    if target.name == "x86_64":
        return keep_registers(text)
    if target.name == "i686":
        return keep_registers_around(pass_in_registers(on_words(text)))
    return text


def keep_registers(text: str) -> str:
    """Counting references leaves registers as they are, as in Swift's full runtime: callers need not
    save what they hold. The counting functions save what they use when they have to end an object."""
    names = "|".join(COUNTING)
    return re.sub(
        rf"^(define [a-z_ ]*|.*\bcall )((?:ptr|void) @(?:{names})\()", r"\1preserve_mostcc \2", text,
        flags=re.MULTILINE)


def on_words(text: str) -> str:
    """Variables are aligned to words: no instruction here asks for more, and a function that aligns its
    stack needs two registers to find what is on it."""
    return re.sub(r"( = alloca .*, align )(?:8|16)$", r"\g<1>4", text, flags=re.MULTILINE)


def pass_in_registers(text: str) -> str:
    """Three words of a function's arguments come in registers instead of on the stack (what C compilers
    for 32-bit x86 call regparm). Functions that C may call, or be, keep C's convention."""
    own = only_called(text)

    def marked(line: str) -> str:
        if "swiftcc " in line:
            return _marked(line, SWIFT_CALLEE.search(line))
        callee = C_CALLEE.search(line) if "call " in line or line.startswith("define ") else None
        return _marked(line, callee) if callee and callee[1] in own else line

    return "\n".join(map(marked, text.split("\n")))


def only_called(text: str) -> set[str]:
    """Functions of C's convention that are defined here, and that calls are all that mentions."""
    defined = re.findall(rf"^define (?![^\n]*swiftcc )[^@\n]*{NAME}\(", text, flags=re.MULTILINE)
    mentioned = Counter(re.findall(NAME, text))
    called = Counter(re.findall(rf"\bcall [^@\n]*?{NAME}\(", text))
    return {name for name in defined if called[name] and mentioned[name] == called[name] + 1}


def _marked(line: str, callee: re.Match | None) -> str:
    """The line, a definition or a call, with every argument that fits marked as one for a register."""
    if not callee:
        return line
    made, start, depth = [line[:callee.end()]], callee.end(), 1
    for found in OPERAND.finditer(line, start):
        if found[0] in "({[<":
            depth += 1
        elif found[0] in ")}]>":
            depth -= 1
        if depth == 0 or (depth == 1 and found[0] == ","):
            argument = line[start:found.start()]
            kind = IN_REGISTER.match(argument)
            made.append(argument if not kind or " byval(" in argument or " inreg" in argument else
                        f"{argument[:kind.end()]} inreg{argument[kind.end():]}")
            made.append(found[0])
            start = found.end()
        if depth == 0:
            break
    return "".join(made) + line[start:]


def keep_registers_around(text: str) -> str:
    """What `keep_registers` does, for a machine that LLVM cannot make such functions for: they are called
    by way of a few instructions that save all registers. The callers are told so."""
    definitions = {}
    for name in (*COUNTING, *TEXTS):
        found = re.search(rf'^define [a-z_ ]*?((?:ptr|void) )@"?{re.escape(name)}"?\(([^()]*)\)', text,
                          flags=re.MULTILINE)
        if found:
            definitions[name] = (found[1], found[2].split(","))

    def call(found: re.Match) -> str:
        arguments = ", ".join(_in_register(argument) for argument in found[4].split(","))
        return f'{found[1]}call preserve_mostcc {found[2]}@"keeping_{found[3]}"({arguments})'

    lines, inside = [], ""
    for line in text.split("\n"):
        if line.startswith("define "):
            inside = re.search(NAME, line)[1]
        # Retaining and releasing themselves end a call where they can, and have nothing to keep.
        lines.append(line if inside in COUNTING else KEEPING_CALL.sub(call, line))
    added = []
    for name, (result, parameters) in definitions.items():
        added += _keeping(name, all(" inreg" in parameter for parameter in parameters))
        kinds = ", ".join(f"{parameter.split()[0]} inreg" for parameter in parameters)
        added.append(f'declare preserve_mostcc {result}@"keeping_{name}"({kinds})')
    return "\n".join(lines) + "\n" + "\n".join(added) + "\n"


def _in_register(argument: str) -> str:
    kind = IN_REGISTER.match(argument)
    return argument if " inreg" in argument else f"{argument[:kind.end()]} inreg{argument[kind.end():]}"


def _keeping(name: str, in_registers: bool) -> list[str]:
    """A way to the function that saves the registers which C's convention does not. It gets its arguments
    in registers, and hands them on there or on the stack."""
    instructions = ["pushl %eax", "pushl %ecx", "pushl %edx"]
    if in_registers:
        instructions.append(f"calll \\22{name}\\22")
    else:
        instructions += ["pushl %edx", "pushl %eax", f"calll \\22{name}\\22", "addl $8, %esp"]
    instructions += ["popl %edx", "popl %ecx", "popl %eax", "retl"]
    lines = [f".section .text.keeping_{name},\\22ax\\22,@progbits", f".type keeping_{name}, @function",
             f"keeping_{name}: {'; '.join(instructions)}"]
    return [f'module asm "{line}"' for line in lines]
