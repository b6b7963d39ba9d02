"""Debian source packages, downloaded and verified by apt without touching the machine's own apt.

The entries are derived from what the machine itself is configured to use (its mirror, its release),
and live with their lists in a private folder. apt checks the release's signature with Debian's
keyring, and every file by the digest that the signed list gives.
"""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from .paths import CACHE, BuildError, run, say

SOURCES = CACHE / "sources"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


@dataclass(frozen=True)
class SourcePackage:
    """A Debian source package; `release` names another release than the machine's own."""

    name: str
    release: str = ""


@dataclass(frozen=True)
class Source:
    """An unpacked source package: its version and its folder."""

    version: str
    folder: Path


def unpacked(package: SourcePackage) -> Source:
    """The source of a package, downloaded the first time."""
    home = SOURCES / "-".join(filter(None, (package.name, package.release)))
    version_file = home / "VERSION"
    if not version_file.exists():
        _download(package, home)
    version = version_file.read_text().strip()
    return Source(version, home / "source")


def _download(package: SourcePackage, home: Path) -> None:
    """Tries the security archive with the rest, then without it: mirrors of it have holes."""
    archives = [package.release] if package.release else ["own", "own-without-security"]
    for archive in archives:
        say("source", f"{package.name} from Debian ({archive})")
        try:
            return _download_from(archive, package, home)
        except BuildError as error:
            if archive == archives[-1]:
                raise
            say("source", f"{package.name}: {str(error).splitlines()[-1]}")


def _download_from(archive: str, package: SourcePackage, home: Path) -> None:
    options = _apt_options(archive)
    partial = home.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    run(
        ["apt-get", *options, "source", "--only-source", package.name],
        f"downloading Debian's source of {package.name}", cwd=partial)
    folders = [entry for entry in partial.iterdir() if entry.is_dir()]
    descriptions = list(partial.glob("*.dsc"))
    if len(folders) != 1 or len(descriptions) != 1:
        raise BuildError(f"apt-get source {package.name} did not leave one unpacked folder")
    version = descriptions[0].stem.split("_", 1)[1]
    folders[0].rename(partial / "source")
    (partial / "VERSION").write_text(version + "\n")
    shutil.rmtree(home, ignore_errors=True)
    partial.rename(home)


def _apt_options(archive: str) -> list[str]:
    """Options that point apt at a private folder with deb-src entries, its lists updated once.

    `archive` is "own", "own-without-security", or the name of another Debian release.
    """
    folder = SOURCES / "apt" / archive
    options = [
        "-o", "Dir::Etc::sourcelist=/dev/null",
        "-o", f"Dir::Etc::sourceparts={folder}/parts",
        "-o", f"Dir::State::lists={folder}/lists",
        "-o", f"Dir::Cache={folder}/cache",
        "-o", "Acquire::Retries=3",
    ]
    if os.geteuid() == 0:
        options += ["-o", "APT::Sandbox::User=root"]
    if (folder / "updated").exists():
        return options
    if not KEYRING.exists():
        raise BuildError(f"{KEYRING} is missing: apt-get install debian-archive-keyring")
    for name in ("parts", "lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    entries = []
    for site, suites in _own_sites().items():
        if archive != "own" and any(suite.endswith("-security") for suite in suites):
            continue
        if not archive.startswith("own"):
            suites = [archive]
        entries.append(
            f"Types: deb-src\nURIs: {site}\nSuites: {' '.join(suites)}\nComponents: main\n"
            f"Signed-By: {KEYRING}\n")
    (folder / "parts" / "zennet.sources").write_text("\n".join(entries))
    run(["apt-get", *options, "update"], "reading Debian's lists of source packages")
    (folder / "updated").touch()
    return options


def _own_sites() -> dict[str, list[str]]:
    """The machine's Debian mirrors, each with the releases that it is used for."""
    listing = run(
        ["apt-get", "indextargets", "--format", "$(ORIGIN)|$(COMPONENT)|$(SITE)|$(RELEASE)",
         "Created-By: Packages"],
        "asking apt for its sources")
    sites: dict[str, list[str]] = {}
    for line in sorted(set(listing.splitlines())):
        origin, component, site, release = line.split("|")
        # A list that was never updated has no origin yet: its address tells.
        if component == "main" and (origin == "Debian" or "/debian" in site):
            sites.setdefault(site, []).append(release)
    if not sites:
        raise BuildError("apt has no Debian entry to derive the source entries from")
    return sites
