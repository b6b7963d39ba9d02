"""Calling conventions that make the callers smaller, written into LLVM's text of the agent.

The agent is one object: whoever calls its functions is in the same text. A convention may be any, as
long as a function and all calls to it have the same one.
"""

import re

from .targets import Target

# swiftc puts them wherever a reference is copied or dropped: one call of four.
COUNTING = (
    "swift_retain", "swift_retain_n", "swift_release", "swift_release_n",
    "swift_bridgeObjectRetain", "swift_bridgeObjectRetain_n",
    "swift_bridgeObjectRelease", "swift_bridgeObjectRelease_n",
)
IN_REGISTER = re.compile(r"\s*(?:i1|i8|i16|i32|i64|ptr)\b")
OPERAND = re.compile(r'"[^"]*"|[(){}\[\]<>,]')
CALLEE = re.compile(r'swiftcc [^@%"]*?(?:@"[^"]*"|@[\w.$]+|%[\w.]+)\(')


def chosen(target: Target, text: str) -> str:
    """The text with the conventions that suit the machine: elsewhere they save next to nothing."""
    if target.name == "x86_64":
        return keep_registers(text)
    return pass_in_registers(text) if target.name == "i686" else text


def keep_registers(text: str) -> str:
    """Counting references leaves registers as they are, as in Swift's full runtime: callers need not
    save what they hold. The counting functions save what they use when they have to end an object."""
    names = "|".join(COUNTING)
    return re.sub(
        rf"^(define [a-z_ ]*|.*\bcall )((?:ptr|void) @(?:{names})\()", r"\1preserve_mostcc \2", text,
        flags=re.MULTILINE)


def pass_in_registers(text: str) -> str:
    """Three words of a Swift function's arguments come in registers instead of on the stack (what C
    compilers for 32-bit x86 call regparm). Functions of C keep C's convention."""
    return "\n".join(_marked(line) if "swiftcc " in line else line for line in text.split("\n"))


def _marked(line: str) -> str:
    """The line, a definition or a call, with every argument that fits marked as one for a register."""
    callee = CALLEE.search(line)
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
            made.append(argument if not kind or " byval(" in argument else
                        f"{argument[:kind.end()]} inreg{argument[kind.end():]}")
            made.append(found[0])
            start = found.end()
        if depth == 0:
            break
    return "".join(made) + line[start:]
