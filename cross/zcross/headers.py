"""Headers of the C libraries for a compile that links nothing: the host's own, copied one by one.

A whole /usr/include would bring glibc's headers along, and those are not musl's.
"""

import shutil
from pathlib import Path

from .paths import BUILD, BuildError, run

PACKAGES = (
    "libsqlite3-dev", "libsodium-dev", "libzstd-dev", "libsecp256k1-dev", "libinih-dev",
    "libseccomp-dev",
)


def gathered(headers: dict[str, Path], name: str) -> Path:
    """One folder of these headers, copied by content: a library that is compiled anew with the same
    interface changes nothing here, and no Swift is compiled again."""
    together = BUILD / "headers" / name
    for included, header in headers.items():
        copy = together / included
        if not copy.exists() or copy.read_bytes() != header.read_bytes():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(header, copy)
    return together


def host_library_headers() -> Path:
    """Copies what the -dev packages put under /usr/include, once; returns the folder."""
    folder = BUILD / "host-headers"
    if folder.is_dir():
        return folder
    listing = run(["dpkg", "-L", *PACKAGES], "listing the C libraries (run scripts/setup)")
    partial = BUILD / "host-headers.partial"
    shutil.rmtree(partial, ignore_errors=True)
    for line in listing.splitlines():
        header = Path(line)
        if header.suffix == ".h" and header.is_relative_to("/usr/include") and header.is_file():
            copy = partial / header.relative_to("/usr/include")
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(header, copy)
    if not partial.is_dir():
        raise BuildError("the C libraries have no headers under /usr/include: run scripts/setup")
    partial.rename(folder)
    return folder
