"""From compiled modules to one static, stripped program."""

import shutil
from pathlib import Path

from .libraries import C_FLAGS, Library, zig_cc, zig_environment
from .package import Module
from .paths import BUILD, TREE, ZIG, BuildError, run
from .targets import Target

OUT = BUILD / "out"


def _toolchain() -> Path:
    """The Swift toolchain's usr folder."""
    compiler = shutil.which("swiftc")
    if not compiler:
        raise BuildError("swiftc is not on the PATH")
    return Path(compiler).resolve().parents[1]


def without_module_hash(compiled: Path) -> Path:
    """Takes swiftc's digest of the compile (its paths included) out of a Swift object.

    Nothing reads it, and it is all that would differ between two folders' builds.
    """
    bare = compiled.with_suffix(".bare.o")
    run([_toolchain() / "bin/llvm-objcopy", "--remove-section=.swift_modhash",
         # CHost's says which allocation failed, where Swift would trap.
         "--redefine-sym=posix_memalign=host_allocate", compiled, bare],
        f"taking the module hash out of {compiled.name}")
    return bare


def compile_c(target: Target, modules: list[Module], libraries: list[Library]) -> list[Path]:
    """Compiles the C of the agent's own modules (CHost) with zig."""
    folder = BUILD / "c" / target.name
    folder.mkdir(parents=True, exist_ok=True)
    includes = [f"-I{library.include}" for library in libraries]
    objects = []
    for module in modules:
        for source in module.c_sources:
            result = folder / f"{module.name}-{source.stem}.o"
            command = [
                *zig_cc(target), *C_FLAGS, "-std=gnu17", "-DZENNET_STATIC=1", "-D_GNU_SOURCE",
                "-ffile-prefix-map=" + f"{TREE}=", f"-I{module.path}/include", *includes,
                "-c", source.relative_to(TREE), "-o", result,
            ]
            run(command, f"compiling {source.relative_to(TREE)} for {target.name}",
                cwd=TREE, env=zig_environment())
            objects.append(result)
    return objects


def link(target: Target, objects: list[Path], libraries: list[Library]) -> Path:
    """Links the agent; what nothing reaches is left out."""
    OUT.mkdir(parents=True, exist_ok=True)
    program = OUT / f"zennet-agent-{target.name}"
    command = [
        *zig_cc(target), "-static", "-s", "-Wl,--gc-sections", "-Wl,--build-id=none",
        "-Wl,-z,noexecstack", "-o", program, *objects,
        *(library.archive for library in libraries),
    ]
    run(command, f"linking the agent for {target.name}", env=zig_environment())
    return program
