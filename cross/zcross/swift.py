"""Embedded Swift: one compile a module, redone only when something that it reads has changed."""

import functools
import hashlib
import os
import subprocess
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from .package import Module, closure
from .paths import BUILD, TREE, ZIG, ZIG_INCLUDE, BuildError, attempt, run, say
from .targets import Target


# Functions of the standard library that the optimizer would copy to each of hundreds of callers,
# even for size: joining texts, making a text of bytes, making an array of another collection.
NOT_INLINED = (
    "$eSS6appendyySSF",  # String.append
    "$es11_StringGutsV6appendyyABF",
    *(f"$eSS8decoding2asSSx_q_mtcSlRzs16_UnicodeEncodingR_8CodeUnitQy_7ElementRtzr0_lufC{of}" for of in (
        "", "Says5UInt8VG_s0C0O4UTF8OTt0t1g5", "s10ArraySliceVys5UInt8VG_s0C0O4UTF8OTt0t1g5",
        "SRys5UInt8VG_s0C0O4UTF8OTt0t1g5", "Ss8UTF8ViewV_s0C0O0H0OTt0t1g5")),
    *(f"$eSaySayxGqd__c7ElementQyd__RszSTRd__lufC{of}" for of in (
        "", "s5UInt8V_s10ArraySliceVyAEGTt0g5", "s5UInt8V_SS8UTF8ViewVTt0g5")),
)
NOT_INLINED_LIKE = "$eSa6appendyyxnF"  # Array.append, of whatever
# Functions of Swift's runtime that LLVM would copy to each of thousands of callers. To ask whether
# something is referenced once must be a call wherever a retain is one: Swift's own LLVM pass moves
# retains behind what it takes for a plain load, and a copy would be changed as if it were the original.
NOT_COPIED = (
    "swift_retain", "swift_release", "swift_bridgeObjectRetain", "swift_bridgeObjectRelease",
    "swift_isUniquelyReferenced_native", "swift_isUniquelyReferenced_nonNull_native",
)
# Passes that copy code: a loop over an array literal for each element, a function for each closure
# that it is called with. And one that is wrong: `bcopts`, which removes checks of bounds, goes by chance
# (see "Reproducible" in cross/README.md).
PASSES_LEFT_OUT = ("for-each-loop-unroll", "loop-unroll", "closure-specialize", "bcopts")


def in_tree(path: Path) -> Path:
    """A path of the tree as the compiler, which runs in it, is told it."""
    return path.relative_to(TREE) if path.is_relative_to(TREE) else path


@functools.cache
def fixed_addresses() -> list[str]:
    """swiftc goes through some of its tables in the order of addresses. Nobody has seen an agent differ by
    that since `bcopts` is left out; it gets the same addresses each time all the same, where it may."""
    command = ["setarch", "-R"]
    try:
        if subprocess.run([*command, "true"], stderr=subprocess.DEVNULL).returncode == 0:
            return command
    except FileNotFoundError:
        pass
    say("note", "addresses cannot be fixed here")
    return []


class SwiftCompiler:
    """Compiles modules for one target against the C headers in `library_headers`.

    `purpose` names the folder of what is made, so that a check and a build, which see different
    headers, do not undo each other's work.
    """

    def __init__(
        self, purpose: str, target: Target, modules: list[Module], library_headers: list[Path]
    ):
        if not ZIG.exists():
            raise BuildError(f"zig is not at {ZIG}: run scripts/setup")
        self.purpose = purpose
        self.target = target
        self.modules = modules
        self.library_headers = library_headers
        self.folder = BUILD / purpose / target.name
        self.folder.mkdir(parents=True, exist_ok=True)
        self._keys: dict[str, str] = {}
        self._version = run(["swiftc", "--version"], "asking swiftc for its version")

    def module_file(self, module: Module) -> Path:
        return self.folder / f"{module.swift_name}.swiftmodule"

    def object_file(self, module: Module) -> Path:
        return self.folder / f"{module.swift_name}.o"

    def compile_all(self) -> None:
        """Compiles every Swift module as soon as those that it depends on are compiled."""
        for module in self.modules:
            self._key(module)
        done: dict[str, Future] = {}

        def compile_after(module: Module) -> None:
            for dependency in module.dependencies:
                if dependency in done:
                    done[dependency].result()
            worked, warnings = self.compile(module)
            if worked:
                say("embedded", f"{module.name} for {self.target.name}")
            if worked and warnings:
                print(warnings.rstrip(), flush=True)

        swift_modules = [module for module in self.modules if module.is_swift]
        with ThreadPoolExecutor(len(swift_modules)) as pool:
            # Each comes after what it depends on.
            for module in swift_modules:
                done[module.name] = pool.submit(compile_after, module)
        for each in done.values():
            each.result()

    def compile(self, module: Module) -> tuple[bool, str]:
        """Compiles one Swift module whose dependencies are compiled.

        Returns whether work was done, and the compiler's warnings.
        """
        key = self._key(module)
        stamp = self.folder / f"{module.swift_name}.key"
        notes = self.folder / f"{module.swift_name}.warnings"
        if stamp.exists() and stamp.read_text() == key:
            return False, notes.read_text()
        result = attempt([*fixed_addresses(), *self._command(module)], cwd=TREE)
        if result.returncode != 0:
            stamp.unlink(missing_ok=True)
            raise BuildError(
                f"{module.name} does not compile as Embedded Swift for {self.target.name}\n"
                f"{result.stdout.rstrip()}")
        notes.write_text(result.stdout)
        stamp.write_text(key)
        return True, result.stdout

    def _command(self, module: Module) -> list:
        sources = [source.relative_to(TREE) for source in module.swift_sources]
        command = [
            "swiftc", *self._flags(module), "-module-name", module.swift_name,
            "-emit-module", "-emit-module-path", in_tree(self.module_file(module)),
        ]
        # The last module's object holds what it uses of every other. A check makes all objects: code
        # generation has errors of its own to find.
        if self.purpose != "release" or module.kind == "executable":
            command += ["-c", "-o", in_tree(self.object_file(module))]
        return command + sources

    def _flags(self, module: Module) -> list:
        target = self.target
        flags: list = [
            "-target", target.swift_triple, "-enable-experimental-feature", "Embedded", "-wmo",
            "-parse-as-library", "-swift-version", "6", "-Osize", *target.swift_flags,
            # The linker drops and orders single functions; equal traps are one.
            "-Xfrontend", "-function-sections", "-Xfrontend", "-mergeable-traps",
            # Nothing of this machine's paths in the object: the compiler runs in the tree, and all that
            # is in the tree is told relative to it.
            "-module-cache-path", in_tree(self.folder / "clang-modules"),
            "-I", in_tree(self.folder), "-Xfrontend", "-no-clang-module-breadcrumbs",
            # musl tells constructors no arguments: CHost's main takes them and calls this.
            "-Xfrontend", "-entry-point-function-name", "-Xfrontend", "zennet_swift_main",
        ]
        flags += ["-Xllvm", f"-sil-inline-never-functions={NOT_INLINED_LIKE}"]
        for name in PASSES_LEFT_OUT:
            flags += ["-Xllvm", f"-sil-disable-pass={name}"]
        for name in NOT_COPIED:
            flags += ["-Xllvm", f"-force-attribute={name}:noinline"]
        for name in NOT_INLINED:
            flags += ["-Xllvm", f"-sil-inline-never-function={name}"]
        for folder in self.system_headers():
            flags += ["-Xcc", "-isystem", "-Xcc", in_tree(folder)]
        flags += ["-Xcc", "-D__linux__=1"]
        for dependency in closure(self.modules, module.name):
            if not dependency.is_swift:
                flags += ["-Xcc", f"-fmodule-map-file={in_tree(self._module_map(dependency))}"]
        return flags

    def system_headers(self) -> list[Path]:
        """The folders of C headers, libraries first, then musl, then the kernel's."""
        names = (
            self.target.libc_headers, "generic-musl", self.target.kernel_headers, "any-linux-any")
        return self.library_headers + [ZIG_INCLUDE / name for name in names]

    def _module_map(self, module: Module) -> Path:
        """The module's own map, or the one that SwiftPM would make for a C target without."""
        own = module.path / ("module.modulemap" if module.kind == "system" else "include/module.modulemap")
        if own.exists():
            return own
        made = self.folder / f"{module.swift_name}.modulemap"
        umbrella = os.path.relpath(module.path / "include", self.folder)
        text = f'module {module.swift_name} {{\n  umbrella "{umbrella}"\n  export *\n}}\n'
        if not made.exists() or made.read_text() != text:
            made.write_text(text)
        return made

    def _key(self, module: Module) -> str:
        """A digest of everything that the module's compile reads."""
        if module.name in self._keys:
            return self._keys[module.name]
        digest = hashlib.sha256(self._version.encode())
        if module.kind == "system":
            for header in sorted(file for root in self.library_headers for file in root.rglob("*.h")):
                digest.update(header.read_bytes())
        if module.is_swift:
            digest.update(os.fsencode("\0".join(str(word) for word in self._command(module))))
            files = module.swift_sources
        else:
            files = sorted(p for p in module.path.rglob("*") if p.suffix in (".h", ".modulemap"))
        for file in files:
            digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
        by_name = {other.name: other for other in self.modules}
        for dependency in module.dependencies:
            digest.update(self._key(by_name[dependency]).encode())
        self._keys[module.name] = digest.hexdigest()
        return self._keys[module.name]
