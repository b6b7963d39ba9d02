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
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, Iterator

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


OZ = ("-Xclang", "-Oz")


def small_flags(target: Target) -> tuple[str, ...]:
    """For C that does not compute much. zig's cc takes -Oz for -Os; the compiler proper does not."""
    return (*OZ, *target.small_flags)


@dataclass(frozen=True)
class Plan:
    """What to compile of an unpacked source, and which headers callers need."""

    sources: list[Path]
    flags: list[str]
    headers: dict[str, Path]  # the name under include/ -> the file
    # A source's stem -> flags of its own.
    own_flags: dict[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Recipe:
    library: str
    package: SourcePackage
    plan: Callable[[Source, Path], Plan]  # the source, a folder for generated files
    computes: tuple[str, ...] = ()  # the stems of sources whose speed matters too

    def flags(self, target: Target, stem: str) -> tuple[str, ...]:
        return target.computing_flags if stem in self.computes else small_flags(target)


def _generated(made: Path, name: str, text: str) -> Path:
    """A source that is generated, in a folder named after its content: another work tree's may differ,
    and neither changes while it is compiled. The path is part of the library's key."""
    file = made / hashlib.sha256(text.encode()).hexdigest()[:16] / name
    if not file.exists():
        file.parent.mkdir(exist_ok=True)
        partial = file.with_suffix(".partial")
        partial.write_text(text)
        partial.rename(file)
    return file


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
        "OMIT_RETURNING", "OMIT_SUBQUERY", "OMIT_TEMPDB", "OMIT_TRIGGER", "OMIT_UPSERT", "OMIT_VIEW",
        "OMIT_VIRTUALTABLE", "TEMP_STORE=3",
        # Ways to run queries faster that the agent's, which go by the key, never take.
        "OMIT_AUTOMATIC_INDEX", "OMIT_BETWEEN_OPTIMIZATION", "OMIT_LIKE_OPTIMIZATION",
        "OMIT_OR_OPTIMIZATION", "OMIT_XFER_OPT", "OMIT_TRUNCATE_OPTIMIZATION",
        "OMIT_ATTACH", "OMIT_VACUUM", "MAX_ATTACHED=0",
    )
]

# Of SQL's own functions those that the agent calls; a table keeps all of them from the linker.
SQLITE_FUNCTIONS = ("min", "max", "count", "length")


# What else goes with ATTACH, VACUUM and subqueries, and is asked for without them.
SQLITE_LEFT_OUT = """
SQLITE_PRIVATE int sqlite3DbIsNamed(sqlite3 *db, int iDb, const char *zName) {
  return sqlite3StrICmp(db->aDb[iDb].zDbSName, zName) == 0
      || (iDb == 0 && sqlite3StrICmp("main", zName) == 0);
}
SQLITE_PRIVATE void sqlite3PagerClearCache(Pager *pPager) { pager_reset(pPager); }
SQLITE_PRIVATE SrcList *sqlite3SrcListDup(sqlite3 *db, const SrcList *p, int flags) {
  sqlite3OomFault(db);
  return 0;
}
"""


def _sqlite_functions(amalgamation: Path) -> None:
    """Takes the rows of other functions out of SQLite's tables of its own."""
    text = amalgamation.read_text()

    def kept(row: re.Match) -> str:
        return row[0] if row[1] in SQLITE_FUNCTIONS else ""

    text, rows = re.subn(
        r"^    (?:[A-Z]+_)?(?:[A-Z]?FUNCTION2?|WAGGREGATE|LIKEFUNC|INLINE_FUNC)\(\s*([a-z_0-9]+)\s*,"
        r"[^;]*?\),?[ \t]*\n(?=    [A-Z_0-9]+\(|#|  \};|    /\*)", kept, text, flags=re.MULTILINE)
    if rows < 60:
        raise BuildError(f"SQLite: {rows} rows of functions found")
    amalgamation.write_text(text + SQLITE_LEFT_OUT)


def sqlite(source: Source, made: Path) -> Plan:
    # The parser is generated with the same choices that the code is compiled with.
    choices = " ".join((*SQLITE_FLAGS, *SQLITE_FUNCTIONS, SQLITE_LEFT_OUT))
    final = made / hashlib.sha256(choices.encode()).hexdigest()[:16]
    if not final.exists():
        made = final.with_suffix(".partial")
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir()
        say("source", "making SQLite's amalgamation")
        run(
            [source.folder / "configure", "--disable-tcl", "--disable-readline"],
            "configuring SQLite", cwd=made)
        run(["make", f"OPTS={' '.join(SQLITE_FLAGS)}", "sqlite3.c"], "making SQLite", cwd=made)
        _sqlite_functions(made / "sqlite3.c")
        made.rename(final)
    return Plan([final / "sqlite3.c"], SQLITE_FLAGS, {"sqlite3.h": final / "sqlite3.h"})


# --- libsodium: portable C, no assembly, no table of the base point ---------------------------------

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
    sources = sorted(file for file in root.rglob("*.c") if file.stem != "hash_sha512_cp")
    sources += [TREE / "cross" / "libraries" / "sodium_base.c", _rolled_sha512(root, made)]
    # `sodium_base.c` has these functions; nothing calls the renamed ones.
    own_flags = {"ed25519_ref10": tuple(
        f"-D{name}={name}_large"
        for name in ("ge25519_scalarmult_base", "sc25519_muladd", "sc25519_reduce"))}
    return Plan(sources, flags, headers, own_flags)


def _rolled_sha512(root: Path, made: Path) -> Path:
    """SHA-512, which only signatures use, with one round in a loop instead of 16."""
    source = root / "crypto_hash" / "sha512" / "cp" / "hash_sha512_cp.c"
    text, found = re.subn(
        r"^    for \(i = 0; i < 80; i \+= 16\) \{\n.*?^    \}\n", SHA512_ROUNDS, source.read_text(),
        flags=re.MULTILINE | re.DOTALL)
    if found != 1:
        raise BuildError("libsodium: hash_sha512_cp.c is not what was expected")
    return _generated(made, "hash_sha512_cp.c", text)


SHA512_ROUNDS = """
    for (i = 0; i < 64; i++) { MSCH(W, 0, i); }
    for (i = 0; i < 80; i++) { RNDr(S, W, i, 0); }
"""


# --- libsecp256k1: small tables ------------------------------------------------------------------

# The default verification table is 1 MB; with a window of 5 it is 1 KB. The signing table is 2 KB.
# Debian 12's version has no signing table below 32 KB: trixie's has.
SECP256K1_FLAGS = [
    "-DENABLE_MODULE_EXTRAKEYS", "-DENABLE_MODULE_SCHNORRSIG", "-DECMULT_WINDOW_SIZE=5",
    "-DCOMB_BLOCKS=2", "-DCOMB_TEETH=5", "-DSECP256K1_BUILD=", "-DUSE_EXTERNAL_DEFAULT_CALLBACKS",
]

# Its SHA-256 is 64 unrolled rounds, 10 KB: libsodium's compression takes their place.
SECP256K1_SHA256 = """
typedef struct { uint32_t state[8]; uint64_t count; unsigned char buf[64]; } sodium_sha256;
extern int crypto_hash_sha256_update(sodium_sha256*, const unsigned char*, unsigned long long);
static void secp256k1_sha256_transform(uint32_t* s, const unsigned char* buf) {
    sodium_sha256 hash = {{0}, 0, {0}};
    memcpy(hash.state, s, 32);
    crypto_hash_sha256_update(&hash, buf, 64);
    memcpy(s, hash.state, 32);
}
"""


def secp256k1(source: Source, made: Path) -> Plan:
    root = source.folder
    names = ("secp256k1.c", "precomputed_ecmult.c", "precomputed_ecmult_gen.c")
    headers = {
        f"{name}.h": root / "include" / f"{name}.h"
        for name in (
            "secp256k1", "secp256k1_preallocated", "secp256k1_extrakeys", "secp256k1_schnorrsig")
    }
    hashes, found = re.subn(
        r"^static void secp256k1_sha256_transform\(.*?^}\n", SECP256K1_SHA256,
        (root / "src" / "hash_impl.h").read_text(), flags=re.MULTILINE | re.DOTALL)
    if found != 1:
        raise BuildError("libsecp256k1: hash_impl.h is not what was expected")
    # Read first, and then its include guard holds.
    header = _generated(made, "hash_impl.h", hashes)
    # -Os would copy the field's multiplication to 100 KB of callers.
    own_flags = {"secp256k1": (*OZ, f"-include{header}")}
    flags = [*SECP256K1_FLAGS, f"-I{root}/include", f"-I{root}", f"-I{root}/src"]
    sources = [root / "src" / name for name in names]
    sources.append(TREE / "cross" / "libraries" / "secp256k1_callbacks.c")
    return Plan(sources, flags, headers, own_flags)


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
    # Unpacking a bundle takes a third less time so, and 4 KB more.
    own_flags = {stem: ("-UZSTD_NO_INLINE",) for stem in ("huf_decompress", "zstd_decompress_block")}
    # No dictionaries: nothing calls the renamed one.
    name = "ZSTD_compressBlock_fast_dictMatchState"
    own_flags["zstd_fast"] = (f"-D{name}={name}_unused",)
    return Plan(sources, [*ZSTD_FLAGS, f"-I{root}"], headers, own_flags)


# --- inih ----------------------------------------------------------------------------------------


def inih(source: Source, made: Path) -> Plan:
    root = source.folder
    return Plan([root / "ini.c"], [], {"ini.h": root / "ini.h"})


# --- libseccomp ----------------------------------------------------------------------------------


# libseccomp's column of system call numbers for each machine that the compiler may compile for.
# Filters are made for the machine that makes them.
SECCOMP_COLUMNS = {
    "__x86_64__": 1, "__i386__": 0, "__arm__": 3, "__aarch64__": 4, "__riscv": 12,
}


def seccomp(source: Source, made: Path) -> Plan:
    root = source.folder
    configuration = _generated(made, "configure.h", "#define HAVE_LINUX_SECCOMP_H 1\n")
    sources = [
        file for file in sorted((root / "src").glob("*.c"))
        # A program, and the table as it was.
        if file.name not in ("arch-syscall-dump.c", "syscalls.perf.c")
    ]
    sources.append(_generated(made, "syscalls.c", _seccomp_table(root / "src")))
    headers = {
        name: root / "include" / name for name in ("seccomp.h", "seccomp-syscalls.h")
    }
    flags = [f"-I{root}", f"-I{root}/include", f"-I{configuration.parent}", f"-I{root}/src"]
    return Plan(sources, flags, headers)


def _seccomp_table(sources: Path) -> str:
    """The table of system calls, with the names that the agent or libseccomp itself may ask for and
    that the machine has which it is compiled for, and their numbers there."""
    perfect = (sources / "syscalls.perf.c").read_text()
    names = re.findall(r"char stringpool_str(\d+)\[sizeof\(\"(\w+)\"\)\]", perfect)
    rows = dict(re.findall(r"->stringpool_str(\d+),\d+,([^}]*)\}", perfect))
    asking = sorted((TREE / "Sources" / "Sandbox").glob("*.swift"))
    asking += [file for file in sources.glob("*.c") if not file.name.startswith("syscalls.perf")]
    text = "\n".join(file.read_text() for file in asking)
    asked = set(re.findall(r"\"(\w+)\"", text))
    for words in re.findall(r'"""(.*?)"""', text, flags=re.DOTALL):
        asked |= set(words.split())
    dropped = _listed_calls() - {name for _, name in names}
    if dropped:
        raise BuildError(
            f"libseccomp does not know {', '.join(sorted(dropped))}, which tasks may call: give their "
            "numbers in Sources/Sandbox/SystemCalls.swift (newerNames)")
    wanted = sorted((name, rows[number].split(",")) for number, name in names if name in asked)
    if len(rows) < 400 or len(wanted) < 300:
        raise BuildError(f"libseccomp: {len(wanted)} of {len(rows)} system calls found")
    columns = "".join(
        f"#if defined({macro})\n{_seccomp_column(sources, wanted, column)}#endif\n"
        for macro, column in SECCOMP_COLUMNS.items())
    return SECCOMP_LOOKUP.replace("COLUMNS", columns)


def _listed_calls() -> set[str]:
    """Calls of the filter's list but for those whose numbers it brings itself."""
    text = (TREE / "Sources" / "Sandbox" / "SystemCalls.swift").read_text()
    newer, *groups = re.findall(r'"""(.*?)"""', text, flags=re.DOTALL)
    return set(" ".join(groups).split()) - set(newer.split()) - {"riscv_hwprobe"}


def _seccomp_column(sources: Path, wanted: list[tuple[str, list[str]]], column: int) -> str:
    header = (sources.parent / "include" / "seccomp-syscalls.h").read_text()
    # A machine's missing calls have numbers below -10,000; 32-bit x86 makes some others through one.
    missing = {
        f"__PNR_{name}" for name, number in re.findall(r"define __PNR_(\w+)\s+(-\d+)", header)
        if int(number) <= -10_000
    }
    there = [(name, row[column]) for name, row in wanted if row[column] not in missing]
    if len(there) < 200 or len(missing) < 100:
        raise BuildError(f"libseccomp: {len(there)} system calls in column {column}")
    names = "".join(f'  "{name}\\0"\n' for name, _ in there)
    numbers = ", ".join(number for _, number in there)
    # ARM has some beyond 983,040.
    of = "int" if any(number.isdigit() and int(number) > 32_767 for _, number in there) else "short"
    return (f"typedef {of} number_of_call;\nstatic const char names[] =\n{names};\n"
            f"static const number_of_call numbers[] = {{{numbers}}};\n")


SECCOMP_LOOKUP = """
#include <seccomp.h>
#include <string.h>
#include "syscalls.h"

COLUMNS
static const char *next(const char *name) { return name + strlen(name) + 1; }

int syscall_resolve_name(const char *name, int offset) {
  const number_of_call *number = numbers;
  for (const char *each = names; *each; each = next(each), number++)
    if (!strcmp(each, name)) return *number;
  return __NR_SCMP_ERROR;
}

const char *syscall_resolve_num(int wanted, int offset) {
  const number_of_call *number = numbers;
  for (const char *each = names; *each; each = next(each), number++)
    if (*number == wanted) return each;
  return NULL;
}

// Only libseccomp's own programs list the table.
const struct arch_syscall_def *syscall_iterate(unsigned spot, int offset) { return NULL; }
"""


RECIPES = (
    Recipe("sqlite3", SourcePackage("sqlite3"), sqlite),
    Recipe("sodium", SourcePackage("libsodium"), sodium, (
        "chacha20_ref", "ed25519_ref10", "hash_sha256_cp", "hash_sha512_cp", "poly1305_donna",
        "shorthash_siphash24_ref", "x25519_ref10")),
    Recipe("secp256k1", SourcePackage("libsecp256k1", "trixie"), secp256k1, ("secp256k1",)),
    Recipe("zstd", SourcePackage("libzstd"), zstd, (
        "entropy_common", "fse_compress", "fse_decompress", "hist", "huf_compress",
        "huf_decompress", "xxhash", "zstd_compress_sequences", "zstd_decompress_block",
        "zstd_fast")),
    # Bookworm's own files of libinih cannot always be had from mirrors; trixie's can.
    Recipe("inih", SourcePackage("libinih", "trixie"), inih),
    Recipe("seccomp", SourcePackage("libseccomp"), seccomp),
)


# --- Building ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Planned:
    """A library whose source is there, with the folder that it is compiled to for a target."""

    recipe: Recipe
    plan: Plan
    source: Source
    folder: Path


def planned(target: Target) -> list[Planned]:
    """What is to be compiled for the target; the sources are downloaded if they are not there yet."""
    with _locked("sources"):
        return [_planned(recipe, target) for recipe in RECIPES]


def _planned(recipe: Recipe, target: Target) -> Planned:
    source = unpacked(recipe.package)
    made = source.folder.parent / "made"
    made.mkdir(exist_ok=True)
    plan = recipe.plan(source, made)
    folder = LIBRARIES / f"{recipe.library}-{target.name}-{_key(recipe, plan, source, target)}"
    return Planned(recipe, plan, source, folder)


def built(target: Target, libraries: list[Planned]) -> list[Path]:
    """The archive of every library for one target, compiled if it is not there yet."""
    with ThreadPoolExecutor(len(libraries)) as pool:
        return list(pool.map(lambda library: _built(target, library), libraries))


def _built(target: Target, library: Planned) -> Path:
    name = library.recipe.library
    with _locked(f"{name}-{target.name}"):
        if not library.folder.is_dir():
            say("library", f"{name} {library.source.version} for {target.name}")
            _build(target, library)
    return library.folder / f"lib{name}.a"


@contextmanager
def _locked(name: str) -> Iterator[None]:
    """Several work trees share the cache: one of them at a time fills this part of it."""
    LIBRARIES.mkdir(parents=True, exist_ok=True)
    with open(LIBRARIES / f".{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _key(recipe: Recipe, plan: Plan, source: Source, target: Target) -> str:
    words = [source.version, _zig_version(), *zig_cc(target)[1:], *C_FLAGS, *plan.flags]
    words += [*recipe.flags(target, ""), *target.computing_flags, *recipe.computes]
    words += [str(file) for file in plan.sources] + sorted(plan.headers)
    words += [f"{stem} {flags}" for stem, flags in sorted(plan.own_flags.items())]
    # Where the cache and the tree are decides nothing.
    text = "\0".join(map(str, words)).replace(str(source.folder.parent), "").replace(str(TREE), "")
    digest = hashlib.sha256(text.encode())
    for file in plan.sources:
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def _build(target: Target, library: Planned) -> None:
    partial = library.folder.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    (partial / "objects").mkdir(parents=True)
    sources = library.plan.sources
    with ThreadPoolExecutor(len(sources)) as pool:
        objects = list(pool.map(
            lambda numbered: _compile(target, library, partial, *numbered), enumerate(sources)))
    # D: no dates and owners in the archive.
    name = library.recipe.library
    run([ZIG, "ar", "rcsD", partial / f"lib{name}.a", *objects], f"archiving {name}",
        env=zig_environment())
    shutil.rmtree(partial / "objects")
    partial.rename(library.folder)


def _compile(target: Target, library: Planned, partial: Path, number: int, file: Path) -> Path:
    recipe, plan = library.recipe, library.plan
    result = partial / "objects" / f"{number:03}-{file.stem}.o"
    prefixes = [f"-ffile-prefix-map={folder}=" for folder in (library.source.folder.parent, TREE)]
    command = [
        *zig_cc(target), *C_FLAGS, *recipe.flags(target, file.stem), *prefixes, *plan.flags,
        *plan.own_flags.get(file.stem, ()), "-c", file, "-o", result,
    ]
    run(command, f"compiling {file.name} for {target.name}", env=zig_environment())
    return result


def _zig_version() -> str:
    if not ZIG.exists():
        raise BuildError(f"zig is not at {ZIG}: run scripts/setup")
    return subprocess.run([ZIG, "version"], text=True, capture_output=True, check=True).stdout
