"""Small static C programs, the same for all systems that a measurement compares."""

import subprocess
import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "cross"))

from zcross.libraries import zig_cc, zig_environment
from zcross.targets import TARGETS

TRUE = "int main(void) { return 0; }\n"


def compile_static(source, program):
    text = program.with_suffix(".c")
    text.write_text(source)
    subprocess.run(
        [str(word) for word in [*zig_cc(TARGETS["x86_64"]), "-O2", "-static", "-s", "-o", program,
                                text]],
        check=True, stdout=sys.stderr, env=zig_environment())
    text.unlink()
