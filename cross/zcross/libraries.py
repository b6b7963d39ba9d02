"""The C libraries that the agent links, each a recipe over Debian's source package.

A library is compiled once for a target and kept under the cache, by a key of everything that
decides its bytes: the source's version, which files of it, the compiler and its flags.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from .debian import Source, SourcePackage, unpacked
from .paths import CACHE, TREE, ZIG, BuildError, run, say
from .targets import Target

LIBRARIES = CACHE / "libraries"

# Small, one section a function so that the linker drops what nothing calls; no sanitizer (zig adds
# one), no tables for unwinding that nobody does, no debug information.
C_FLAGS = (
    "-Os", "-ffunction-sections", "-fdata-sections", "-fno-sanitize=all", "-g0",
    "-fno-unwind-tables", "-fno-asynchronous-unwind-tables", "-fomit-frame-pointer", "-w",
)


def zig_environment() -> dict[str, str]:
    """Keeps zig's compiled libc and compiler-rt with the rest of the cache."""
    return {
        **os.environ, "ZIG_GLOBAL_CACHE_DIR": str(CACHE / "zig-cache"),
        "ZIG_LOCAL_CACHE_DIR": str(CACHE / "zig-cache"),
    }


def zig_cc(target: Target) -> list:
    return [ZIG, "cc", "-target", target.zig_triple, *target.zig_flags]


def small_flags(target: Target) -> tuple[str, ...]:
    """For C that does not compute much. zig's cc takes -Oz for -Os; the compiler proper does not."""
    return ("-Xclang", "-Oz", *target.small_flags)


@dataclass(frozen=True)
class Plan:
    """What to compile of an unpacked source, and which headers callers need."""

    sources: list[Path]
    flags: list[str]
    headers: dict[str, Path]  # the name under include/ -> the file


@dataclass(frozen=True)
class Recipe:
    library: str
    package: SourcePackage
    plan: Callable[[Source, Path], Plan]  # the source, a folder for generated files
    computes: bool = False  # its speed matters more than its size

    def flags(self, target: Target) -> tuple[str, ...]:
        return () if self.computes else small_flags(target)


# --- SQLite: the amalgamation, without what the agent never asks of it ---------------------------

SQLITE_FLAGS = [
    f"-DSQLITE_{define}"
    for define in (
        # One poll loop: no threads. No statistics, no memory map of the database file.
        "THREADSAFE=0", "DEFAULT_MEMSTATUS=0", "MAX_MMAP_SIZE=0", "USE_ALLOCA",
        # Strings in double quotes are a mistake here, and nothing may load code.
        "DQS=0", "LIKE_DOESNT_MATCH_BLOBS", "OMIT_LOAD_EXTENSION", "OMIT_AUTHORIZATION",
        # Interfaces that nothing calls.
        "OMIT_DEPRECATED", "OMIT_DECLTYPE", "OMIT_PROGRESS_CALLBACK", "OMIT_SHARED_CACHE",
        "OMIT_UTF16", "OMIT_TRACE", "OMIT_TCL_VARIABLE", "OMIT_GET_TABLE", "OMIT_COMPLETE",
        "OMIT_INCRBLOB", "OMIT_DESERIALIZE", "OMIT_COMPILEOPTION_DIAGS", "OMIT_LOOKASIDE",
        "OMIT_INTROSPECTION_PRAGMAS", "OMIT_SCHEMA_PRAGMAS", "OMIT_CASE_SENSITIVE_LIKE_PRAGMA",
        "UNTESTABLE",
        # SQL that the agent does not speak: `Storage` has all that it speaks.
        "OMIT_JSON", "OMIT_LOCALTIME", "OMIT_EXPLAIN", "OMIT_ANALYZE", "OMIT_WINDOWFUNC",
        "OMIT_ALTERTABLE", "OMIT_AUTOINCREMENT", "OMIT_AUTOVACUUM",
        "OMIT_CAST", "OMIT_CHECK", "OMIT_COMPOUND_SELECT", "OMIT_CTE", "OMIT_DATETIME_FUNCS",
        "OMIT_FOREIGN_KEY", "OMIT_GENERATED_COLUMNS", "OMIT_HEX_INTEGER", "OMIT_REINDEX",
        "OMIT_RETURNING", "OMIT_TEMPDB", "OMIT_TRIGGER", "OMIT_UPSERT", "OMIT_VIEW",
        "OMIT_VIRTUALTABLE", "TEMP_STORE=3",
        # Ways to run queries faster that the agent's, which go by the key, never take.
        "OMIT_AUTOMATIC_INDEX", "OMIT_BETWEEN_OPTIMIZATION", "OMIT_LIKE_OPTIMIZATION",
        "OMIT_OR_OPTIMIZATION", "OMIT_XFER_OPT",
    )
]


def sqlite(source: Source, made: Path) -> Plan:
    # The parser is generated with the same choices that the code is compiled with.
    made = made / hashlib.sha256(" ".join(SQLITE_FLAGS).encode()).hexdigest()[:16]
    if not (made / "sqlite3.c").exists():
        made.mkdir(exist_ok=True)
        say("source", "making SQLite's amalgamation")
        run(
            [source.folder / "configure", "--disable-tcl", "--disable-readline"],
            "configuring SQLite", cwd=made)
        run(["make", f"OPTS={' '.join(SQLITE_FLAGS)}", "sqlite3.c"], "making SQLite", cwd=made)
    return Plan([made / "sqlite3.c"], SQLITE_FLAGS, {"sqlite3.h": made / "sqlite3.h"})


# --- libsodium: portable C, no assembly ----------------------------------------------------------

SODIUM_FLAGS = [
    f"-D{define}"
    for define in (
        "CONFIGURED=1", "NATIVE_LITTLE_ENDIAN=1", "HAVE_WEAK_SYMBOLS=1", "HAVE_ATOMIC_OPS=1",
        "HAVE_C11_MEMORY_FENCES=1", "HAVE_GCC_MEMORY_FENCES=1", "HAVE_INLINE_ASM=1",
        "HAVE_SYS_MMAN_H=1", "HAVE_MMAP=1", "HAVE_MPROTECT=1", "HAVE_MLOCK=1", "HAVE_MADVISE=1",
        "HAVE_POSIX_MEMALIGN=1", "HAVE_NANOSLEEP=1", "HAVE_GETPID=1", "HAVE_ALLOCA_H=1",
        "HAVE_ALLOCA=1", "HAVE_EXPLICIT_BZERO=1", "HAVE_SYS_RANDOM_H=1", "HAVE_GETRANDOM=1",
        "HAVE_C_VARARRAYS=1", "HAVE_PTHREAD=1",
    )
]


def sodium(source: Source, made: Path) -> Plan:
    root = source.folder / "src" / "libsodium"
    public = root / "include" / "sodium"
    version = source.folder / "builds" / "msvc" / "version.h"
    headers = {"sodium.h": root / "include" / "sodium.h", "sodium/version.h": version}
    for header in public.rglob("*.h"):
        headers[f"sodium/{header.relative_to(public)}"] = header
    flags = [*SODIUM_FLAGS, f"-I{root}/include", f"-I{public}", f"-I{version.parent}"]
    return Plan(sorted(root.rglob("*.c")), flags, headers)


# --- libsecp256k1: small tables ------------------------------------------------------------------

# The default verification table is 1 MB; with a window of 8 it is 16 KB, at about a tenth of the
# speed of one verification. The signing table is 32 KB instead of 64.
SECP256K1_FLAGS = [
    "-DENABLE_MODULE_EXTRAKEYS", "-DENABLE_MODULE_SCHNORRSIG", "-DECMULT_WINDOW_SIZE=8",
    "-DECMULT_GEN_PREC_BITS=2",
]


def secp256k1(source: Source, made: Path) -> Plan:
    root = source.folder
    names = ("secp256k1.c", "precomputed_ecmult.c", "precomputed_ecmult_gen.c")
    headers = {
        f"{name}.h": root / "include" / f"{name}.h"
        for name in (
            "secp256k1", "secp256k1_preallocated", "secp256k1_extrakeys", "secp256k1_schnorrsig")
    }
    return Plan(
        [root / "src" / name for name in names],
        [*SECP256K1_FLAGS, f"-I{root}/include", f"-I{root}"], headers)


# --- zstd ----------------------------------------------------------------------------------------

# One decoder of each kind instead of two, no assembly, no error texts. Of the searches only the
# fast one, which is the one of level 1; `zstd_left_out.c` stands for the others.
ZSTD_FLAGS = [
    "-DZSTD_DISABLE_ASM=1", "-DZSTD_LEGACY_SUPPORT=0", "-DXXH_NAMESPACE=ZSTD_",
    "-DHUF_FORCE_DECOMPRESS_X1=1", "-DZSTD_FORCE_DECOMPRESS_SEQUENCES_SHORT=1",
    "-DZSTD_NO_INLINE=1", "-DZSTD_STRIP_ERROR_STRINGS=1", "-DDYNAMIC_BMI2=0",
]


def zstd(source: Source, made: Path) -> Plan:
    root = source.folder / "lib"
    left_out = ("zstdmt_compress", "zstd_compress_superblock", "zstd_double_fast", "zstd_lazy",
                "zstd_ldm", "zstd_opt")
    sources = [
        file for part in ("common", "compress", "decompress")
        for file in sorted((root / part).glob("*.c")) if file.stem not in left_out
    ]
    sources.append(TREE / "cross" / "libraries" / "zstd_left_out.c")
    headers = {name: root / name for name in ("zstd.h", "zstd_errors.h")}
    return Plan(sources, [*ZSTD_FLAGS, f"-I{root}"], headers)


# --- inih ----------------------------------------------------------------------------------------


def inih(source: Source, made: Path) -> Plan:
    root = source.folder
    return Plan([root / "ini.c"], [], {"ini.h": root / "ini.h"})


# --- libseccomp ----------------------------------------------------------------------------------


# The table of system calls has a column for each of 16 machines. Filters are made for the machine
# that makes them, so one column stays, and stands for the others' too.
SECCOMP_COLUMNS = (
    "x86", "x86_64", "x32", "arm", "aarch64", "mips", "mips64", "mips64n32", "parisc", "parisc64",
    "ppc", "ppc64", "riscv64", "s390", "s390x",
)
SECCOMP_TARGETS = {
    "x86_64": "__x86_64__", "x86": "__i386__", "arm": "__arm__", "aarch64": "__aarch64__",
    "riscv64": "__riscv",
}


def seccomp(source: Source, made: Path) -> Plan:
    root = source.folder
    (made / "configure.h").write_text("#define HAVE_LINUX_SECCOMP_H 1\n")
    _seccomp_table(root / "src", made)
    sources = [
        file for file in sorted((root / "src").glob("*.c"))
        # A program, and the table as it was.
        if file.name not in ("arch-syscall-dump.c", "syscalls.perf.c")
    ]
    sources.append(made / "syscalls.perf.c")
    headers = {
        name: root / "include" / name for name in ("seccomp.h", "seccomp-syscalls.h")
    }
    # The header of the narrow table is read first, and then its include guard holds.
    flags = [
        f"-I{root}", f"-I{root}/include", f"-I{made}", f"-I{root}/src",
        "-include", f"{made}/syscalls.h",
    ]
    return Plan(sources, flags, headers)


def _seccomp_table(sources: Path, made: Path) -> None:
    """Writes the table of system calls with the compiling machine's column only."""
    header = (sources / "syscalls.h").read_text()
    whole = "".join(rf"\s*int {column};" for column in SECCOMP_COLUMNS)
    header, found = re.subn(
        whole, "\n\tunion {" + "".join(f" int {column};" for column in SECCOMP_COLUMNS) + " };",
        header)
    if found != 1:
        raise BuildError("libseccomp: the columns of syscalls.h are not those that were expected")
    parameters = ", ".join(f"number_{column}" for column in SECCOMP_COLUMNS)
    choice = "".join(
        f"#if defined({macro})\n#define ROW(name, index, {parameters}) "
        f"{{name, index, {{number_{column}}}}}\n#endif\n"
        for column, macro in SECCOMP_TARGETS.items())
    table, rows = re.subn(
        r"\{(\(int\)\(size_t\)&[^}]*)\}", r"ROW(\1)", (sources / "syscalls.perf.c").read_text())
    if rows < 400:
        raise BuildError(f"libseccomp: {rows} rows found in syscalls.perf.c")
    (made / "syscalls.h").write_text(header)
    (made / "syscalls.perf.c").write_text(choice + table)


RECIPES = (
    Recipe("sqlite3", SourcePackage("sqlite3"), sqlite),
    Recipe("sodium", SourcePackage("libsodium"), sodium, computes=True),
    Recipe("secp256k1", SourcePackage("libsecp256k1"), secp256k1, computes=True),
    Recipe("zstd", SourcePackage("libzstd"), zstd, computes=True),
    # Bookworm's own files of libinih cannot always be had from mirrors; trixie's can.
    Recipe("inih", SourcePackage("libinih", "trixie"), inih),
    Recipe("seccomp", SourcePackage("libseccomp"), seccomp),
)


# --- Building ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Library:
    name: str
    version: str
    archive: Path
    include: Path


def built(target: Target) -> list[Library]:
    """Every library for one target, compiled if it is not there yet."""
    LIBRARIES.mkdir(parents=True, exist_ok=True)
    # One build at a time fills the cache: several work trees share it.
    with open(LIBRARIES / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return [_library(recipe, target) for recipe in RECIPES]


def _library(recipe: Recipe, target: Target) -> Library:
    source = unpacked(recipe.package)
    made = source.folder.parent / "made"
    made.mkdir(exist_ok=True)
    plan = recipe.plan(source, made)
    folder = LIBRARIES / f"{recipe.library}-{target.name}-{_key(recipe, plan, source, target)}"
    library = Library(
        recipe.library, source.version, folder / f"lib{recipe.library}.a", folder / "include")
    if not folder.is_dir():
        say("library", f"{recipe.library} {source.version} for {target.name}")
        _build(recipe, plan, source, target, folder)
    return library


def _key(recipe: Recipe, plan: Plan, source: Source, target: Target) -> str:
    words = [source.version, _zig_version(), *zig_cc(target)[1:], *C_FLAGS, *plan.flags]
    words += recipe.flags(target)
    words += [str(file) for file in plan.sources] + sorted(plan.headers)
    # Where the cache and the tree are decides nothing.
    text = "\0".join(map(str, words)).replace(str(source.folder.parent), "").replace(str(TREE), "")
    digest = hashlib.sha256(text.encode())
    for file in plan.sources:
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def _build(recipe: Recipe, plan: Plan, source: Source, target: Target, folder: Path) -> None:
    partial = folder.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    (partial / "objects").mkdir(parents=True)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        objects = list(pool.map(
            lambda numbered: _compile(target, recipe, plan, source, partial, *numbered),
            enumerate(plan.sources)))
    # D: no dates and owners in the archive.
    run([ZIG, "ar", "rcsD", partial / f"lib{recipe.library}.a", *objects],
        f"archiving {recipe.library}", env=zig_environment())
    shutil.rmtree(partial / "objects")
    for name, header in plan.headers.items():
        copy = partial / "include" / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(header, copy)
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)


def _compile(
    target: Target, recipe: Recipe, plan: Plan, source: Source, partial: Path, number: int,
    file: Path,
) -> Path:
    result = partial / "objects" / f"{number:03}-{file.stem}.o"
    prefixes = [f"-ffile-prefix-map={folder}=" for folder in (source.folder.parent, TREE)]
    command = [
        *zig_cc(target), *C_FLAGS, *recipe.flags(target), *prefixes, *plan.flags, "-c", file,
        "-o", result,
    ]
    run(command, f"compiling {file.name} for {target.name}", env=zig_environment())
    return result


def _zig_version() -> str:
    if not ZIG.exists():
        raise BuildError(f"zig is not at {ZIG}: run scripts/setup")
    return subprocess.run([ZIG, "version"], text=True, capture_output=True, check=True).stdout
