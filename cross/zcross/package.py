"""The agent's modules and what they depend on, read from Package.swift: the only list there is."""

import json
from dataclasses import dataclass
from pathlib import Path

from .paths import BUILD, TREE, BuildError, run

ROOT = "zennet-agent"


@dataclass(frozen=True)
class Module:
    name: str
    kind: str  # "regular", "system" or "executable", as SwiftPM calls them
    path: Path
    dependencies: tuple[str, ...]

    @property
    def is_swift(self) -> bool:
        return self.kind != "system" and any(self.path.rglob("*.swift"))

    @property
    def swift_name(self) -> str:
        """The name as an identifier: SwiftPM also turns `zennet-agent` into `zennet_agent`."""
        return self.name.replace("-", "_")

    @property
    def swift_sources(self) -> list[Path]:
        return sorted(self.path.rglob("*.swift"))

    @property
    def c_sources(self) -> list[Path]:
        return sorted(self.path.rglob("*.c")) if self.kind != "system" else []


def _dump() -> dict:
    # A manifest takes SwiftPM seconds to evaluate: kept until Package.swift changes.
    manifest = TREE / "Package.swift"
    kept = BUILD / "package.json"
    if not kept.exists() or kept.stat().st_mtime < manifest.stat().st_mtime:
        text = run(
            ["swift", "package", "--scratch-path", BUILD / "swiftpm", "dump-package"],
            "reading Package.swift", cwd=TREE)
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(text[text.index("{"):])
    return json.loads(kept.read_text())


def agent_modules() -> list[Module]:
    """Every module that `zennet-agent` links, each after the modules that it depends on."""
    declared = {target["name"]: target for target in _dump()["targets"]}
    ordered: dict[str, Module] = {}

    def visit(name: str) -> None:
        if name in ordered:
            return
        if name not in declared:
            raise BuildError(f"{ROOT} depends on {name}, which is no target of Package.swift")
        target = declared[name]
        names = tuple(d["byName"][0] for d in target["dependencies"] if "byName" in d)
        for dependency in names:
            visit(dependency)
        path = TREE / (target.get("path") or f"Sources/{name}")
        ordered[name] = Module(name, target["type"], path, names)

    visit(ROOT)
    return list(ordered.values())


def closure(modules: list[Module], name: str) -> list[Module]:
    """All that `name` depends on, in the order of `modules`, itself excluded."""
    by_name = {module.name: module for module in modules}
    seen: set[str] = set()
    waiting = list(by_name[name].dependencies)
    while waiting:
        dependency = waiting.pop()
        if dependency not in seen:
            seen.add(dependency)
            waiting.extend(by_name[dependency].dependencies)
    return [module for module in modules if module.name in seen]
