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


def toolchain_unicode_tables(target: Target) -> Path:
    """The Unicode tables that string comparison wants, as the toolchain has them."""
    archive = _toolchain() / "lib/swift/embedded" / target.swift_triple / "libswiftUnicodeDataTables.a"
    if not archive.exists():
        raise BuildError(f"this Swift toolchain has no Unicode tables for {target.swift_triple}")
    return archive


def unicode_tables(target: Target) -> Path:
    """The same, mended for the target."""
    archive = toolchain_unicode_tables(target)
    if target.name == "i686":
        return _without_sse2(archive, target)
    if target.name == "riscv64":
        return _with_double_floats(archive, target)
    return archive


def _without_sse2(archive: Path, target: Target) -> Path:
    """Leaves out the one member compiled with SSE2: CHost's unicode_lookup.c stands for it."""
    mended = _copy(archive, target)
    run([ZIG, "ar", "dD", mended, "UnicodeData.cpp.o"], "mending the Unicode tables for i686")
    return mended


def _with_double_floats(archive: Path, target: Target) -> Path:
    """Says "double-float ABI" in each member's header, or the linker refuses to mix them.

    They are compiled for soft floats, but no function that Embedded Swift calls in them takes or
    returns one, so their code is the same for both.
    """
    mended = _copy(archive, target)
    data = bytearray(mended.read_bytes())
    position = len(b"!<arch>\n")
    while position < len(data):
        size = int(data[position + 48 : position + 58])
        member = position + 60
        if data[member : member + 4] == b"\x7fELF":
            flags = member + 48  # e_flags of a 64-bit ELF header
            value = int.from_bytes(data[flags : flags + 4], "little")
            data[flags : flags + 4] = (value & ~0x6 | 0x4).to_bytes(4, "little")
        position = member + size + size % 2
    mended.write_bytes(data)
    return mended


def _copy(archive: Path, target: Target) -> Path:
    copy = BUILD / "c" / target.name / archive.name
    copy.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(archive, copy)
    return copy


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
        *(library.archive for library in libraries), unicode_tables(target),
    ]
    run(command, f"linking the agent for {target.name}", env=zig_environment())
    return program
