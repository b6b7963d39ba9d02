"""From compiled modules to one static, stripped program."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import wrapped
from .libraries import C_FLAGS, zig_cc, zig_environment
from .package import Module
from .paths import BUILD, TREE, run
from .targets import Target
from .toolchain import swift_tool

OUT = BUILD / "out"


def compile_c(target: Target, modules: list[Module], headers: Path) -> list[Path]:
    """Compiles the C of the agent's own modules (CHost) with zig."""
    folder = BUILD / "c" / target.name
    folder.mkdir(parents=True, exist_ok=True)

    def compiled(module: Module, source: Path) -> Path:
        result = folder / f"{module.name}-{source.stem}.o"
        run([
            *zig_cc(target), *C_FLAGS, "-std=gnu17", "-DZENNET_STATIC=1", "-D_GNU_SOURCE",
            f"-ffile-prefix-map={TREE}=", f"-I{module.path}/include", f"-I{headers}",
            "-c", source.relative_to(TREE), "-o", result,
        ], f"compiling {source.relative_to(TREE)} for {target.name}", cwd=TREE, env=zig_environment())
        return result

    sources = [(module, source) for module in modules for source in module.c_sources]
    with ThreadPoolExecutor(len(sources)) as pool:
        return list(pool.map(lambda each: compiled(*each), sources))


def link(target: Target, objects: list[Path], archives: list[Path]) -> Path:
    """Links the agent; what nothing reaches is left out. Beside the program, which has no symbols,
    lies one that has: `named_program`."""
    OUT.mkdir(parents=True, exist_ok=True)
    program, named = OUT / f"zennet-agent-{target.name}", named_program(target)
    script = TREE / "cross" / "libraries" / "layout.ld"
    run([
        *zig_cc(target), "-O2", "-static", "-no-pie", "-Wl,--gc-sections", "-Wl,--build-id=none",
        "-Wl,-z,norelro", f"-Wl,-T,{script}",
        *(f"-Wl,--wrap={name}" for name in wrapped.WRAPPED), *objects, *archives, "-o", named,
    ], f"linking the agent for {target.name}", env=zig_environment())
    wrapped.check(named)
    run([swift_tool("llvm-objcopy"), "--strip-all", named, program], f"stripping {program.name}")
    return program


def named_program(target: Target) -> Path:
    """The linked program with its symbols, for checks and for addresses of traps."""
    return BUILD / "release" / target.name / "zennet-agent"
