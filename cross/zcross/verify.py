"""The same agents once more: from nothing, in another folder, to be compared byte by byte."""

import shutil
import tempfile
from pathlib import Path

from .link import OUT
from .paths import TREE, BuildError, run, say

# All that a build reads, besides what lies in the cache.
READ = ("Package.swift", "Sources", "cross")


def first_difference(one: bytes, other: bytes) -> str:
    """Where two programs differ first; empty where they do not."""
    if one == other:
        return ""
    offset = next(
        (at for at, (left, right) in enumerate(zip(one, other)) if left != right),
        min(len(one), len(other)))
    return f"{len(one)} and {len(other)} bytes, from byte {offset} on"


def verify(names: list[str]) -> None:
    """Builds the targets again in a copy of the tree; the copy stays where a program differs."""
    folder = Path(tempfile.mkdtemp(prefix="zennet-verify-"))
    # Neither as long nor as deep as this one.
    tree = folder / "another-folder" / "of" / "the-same-sources"
    tree.mkdir(parents=True)
    for name in READ:
        source = TREE / name
        (shutil.copytree if source.is_dir() else shutil.copy2)(source, tree / name)
    differences = []
    say("verify", f"{', '.join(names)}, in {tree}")
    # It takes the processors by itself, of which this one uses none meanwhile.
    run([tree / "cross" / "build", *names], f"building {', '.join(names)} once more")
    for name in names:
        program = OUT / f"zennet-agent-{name}"
        other = tree / OUT.relative_to(TREE) / program.name
        if found := first_difference(program.read_bytes(), other.read_bytes()):
            differences.append(f"{name}: {found}")
        else:
            say("same", name)
    if differences:
        raise BuildError(
            "two builds of the same sources differ, of which one is in " + str(tree) + "\n"
            + "\n".join(differences))
    shutil.rmtree(folder)
