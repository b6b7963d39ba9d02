"""Where the programs of the Swift toolchain are."""

import shutil
from pathlib import Path

from .paths import BuildError


def swift_tool(name: str) -> Path:
    compiler = shutil.which("swiftc")
    if not compiler:
        raise BuildError("swiftc is not on the PATH")
    return Path(compiler).resolve().parent / name
