"""From compiled modules to one static, stripped program."""

import functools
from pathlib import Path

from .codegen import SMALLER
from .libraries import C_FLAGS, Library, zig_cc, zig_environment
from .package import Module
from .paths import BUILD, TREE, ZIG, BuildError, run
from .targets import Target
from .toolchain import swift_tool

OUT = BUILD / "out"


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
                *zig_cc(target), *C_FLAGS, *SMALLER, "-std=gnu17", "-DZENNET_STATIC=1", "-D_GNU_SOURCE",
                "-ffile-prefix-map=" + f"{TREE}=", f"-I{module.path}/include", *includes,
                "-c", source.relative_to(TREE), "-o", result,
            ]
            run(command, f"compiling {source.relative_to(TREE)} for {target.name}",
                cwd=TREE, env=zig_environment())
            objects.append(result)
    return objects


def overwriting(library: Library, target: Target) -> Path:
    """A library that overwrites the memory that it gives back."""
    result = BUILD / "c" / target.name / library.archive.name
    result.parent.mkdir(parents=True, exist_ok=True)
    run([swift_tool("llvm-objcopy"), "--redefine-sym=free=host_release",
         "--redefine-sym=realloc=host_resize", library.archive, result],
        f"redefining free in {library.archive.name}")
    return result


def link(target: Target, objects: list[Path], libraries: list[Library]) -> Path:
    """Links the agent; what nothing reaches is left out, and what is equal is there once."""
    OUT.mkdir(parents=True, exist_ok=True)
    program = OUT / f"zennet-agent-{target.name}"
    script = TREE / "cross" / "libraries" / "discard.ld"
    command = [
        ZIG, "ld.lld", *_own_words(target), "-s", "-O2", "--gc-sections", "--icf=all",
        "--no-eh-frame-hdr", "-z", "norelro", "-T", script, "-o", program, *objects,
        *(overwriting(library, target) for library in libraries), *_libc(target),
    ]
    run(command, f"linking the agent for {target.name}", env=zig_environment())
    return program


# A libc made for size; but what copies memory, which is in compiler-rt, made for speed: copying byte
# by byte saves 2 KB.
SMALL = ("-Os", "-static", "-s")
FAST_RUNTIME = ("-nostdlib", "-rtlib=compiler-rt", "-static", "-s")


@functools.cache
def _zig_link(target: Target, words: tuple[str, ...] = SMALL) -> list[str]:
    """The words with which `zig cc` calls its linker, which it lets nobody tell what we have to. It
    compiles what they name, where it has not yet."""
    folder = BUILD / "c" / target.name
    source, compiled, probe = folder / "probe.c", folder / "probe.o", folder / "probe"
    source.write_text("int main(void) { return 0; }\n")
    run([*zig_cc(target), *C_FLAGS, "-c", source, "-o", compiled], "compiling a probe",
        env=zig_environment())
    probe.unlink(missing_ok=True)
    said = run(
        [*zig_cc(target), *words, compiled, "-o", probe], "asking zig how it links",
        env={**zig_environment(), "ZIG_VERBOSE_LINK": "1"})
    lines = [line for line in said.splitlines() if line.startswith("ld.lld ") and " -r " not in line]
    if len(lines) != 1:
        raise BuildError(f"zig cc did not say how it links:\n{said[-2000:]}")
    return lines[0].split()[1:]


def _own_words(target: Target) -> list[str]:
    words = _zig_link(target)
    kept = ["-static", "-no-pie", "--build-id=none", "-z", "noexecstack"]
    for name in ("-m", "--entry"):
        kept += words[words.index(name):][:2]
    # musl gives threads the stack that is noted in the program.
    kept += [f"-z{word}" for word in words if word.startswith("stack-size=")]
    return kept + [word for word in words if word.startswith("--image-base") or "crt1.o" in word]


def _libc(target: Target) -> list[str]:
    small = [word for word in _zig_link(target) if word.endswith(("libc.a", "libzigc.a"))]
    runtime = _zig_link(target, FAST_RUNTIME)
    return small + [word for word in runtime if word.endswith("libcompiler_rt.a")]
