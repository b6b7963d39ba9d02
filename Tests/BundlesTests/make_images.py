#!/usr/bin/env python3
"""Makes images for ImageBundleTests in the folder that is its argument, with Python's own tar, gzip and
json: an OCI layout, archives of `docker save` (new and old), and hostile ones."""

import gzip
import hashlib
import io
import json
import subprocess
import sys
import tarfile
from pathlib import Path

base = Path(sys.argv[1])


def layer(*entries):
    """Of (name, kind, value): file bytes, dir, link target, hard target, or a device."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, kind, *value in entries:
            info = tarfile.TarInfo(name)
            info.mtime, info.uid, info.mode = 1_600_000_000, 1000, 0o644
            content = None
            if kind == "file":
                content = value[0]
                info.size = len(content)
                if len(value) > 1:
                    info.mode = value[1]
            elif kind == "dir":
                info.type, info.mode = tarfile.DIRTYPE, 0o755
            elif kind == "link":
                info.type, info.linkname = tarfile.SYMTYPE, value[0]
            elif kind == "hard":
                info.type, info.linkname = tarfile.LNKTYPE, value[0]
            elif kind == "device":
                info.type, info.devmajor, info.devminor = tarfile.CHRTYPE, 1, 3
            tar.addfile(info, io.BytesIO(content) if content is not None else None)
    return data.getvalue()


def sha(data):
    return hashlib.sha256(data).hexdigest()


def packed(data, how):
    if how == "gzip":
        # Two members, as pigz makes them.
        half = len(data) // 2
        return gzip.compress(data[:half], mtime=0) + gzip.compress(data[half:], mtime=0)
    if how == "zstd":
        return subprocess.run(["zstd", "-q", "-c"], input=data, capture_output=True, check=True).stdout
    return data


def config(layers, architecture="amd64", variant=None, os="linux"):
    run = {"Env": ["PATH=/bin", "COLOUR=red"], "Entrypoint": ["/bin/tool"], "Cmd": ["one", "two"],
           "WorkingDir": "/data"}
    document = {"architecture": architecture, "os": os, "config": run,
                "rootfs": {"type": "layers", "diff_ids": ["sha256:" + sha(one) for one in layers]}}
    if variant:
        document["variant"] = variant
    return json.dumps(document).encode()


class Layout:
    def __init__(self, name):
        self.folder = base / name
        (self.folder / "blobs" / "sha256").mkdir(parents=True)
        (self.folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')

    def blob(self, data, **more):
        (self.folder / "blobs" / "sha256" / sha(data)).write_bytes(data)
        return {"digest": "sha256:" + sha(data), "size": len(data), **more}

    def image(self, layers, how=("none", "gzip", "zstd"), **platform):
        stored = [self.blob(packed(one, how[index % len(how)])) for index, one in enumerate(layers)]
        manifest = {"schemaVersion": 2, "config": self.blob(config(layers, **platform)),
                    "layers": stored}
        return self.blob(json.dumps(manifest).encode(), platform={
            "os": "linux", "architecture": "amd64", **platform})

    def index(self, *manifests, nested=False):
        document = {"schemaVersion": 2, "manifests": list(manifests)}
        if nested:
            inner = self.blob(
                json.dumps(document).encode(),
                mediaType="application/vnd.oci.image.index.v1+json",
                annotations={"org.opencontainers.image.ref.name": "latest"})
            document = {"schemaVersion": 2, "manifests": [inner]}
        (self.folder / "index.json").write_text(json.dumps(document))


big = bytes(range(256)) * 2000
layers = [
    layer(("bin", "dir"), ("bin/tool", "file", b"tool", 0o755), ("bin/alias", "hard", "bin/tool"),
          ("bin/link", "link", "/bin/tool"), ("data/gone", "file", b"gone"),
          ("data/stays", "file", b"stays"), ("opaque/old", "file", b"old"),
          ("opaque/sub/old", "file", b"old"), ("lib64", "link", "usr/lib"), ("usr/lib", "dir"),
          ("dev/null", "device"), ("outside", "link", "../../../etc/passwd"),
          ("file-then-folder", "file", b"x"), ("folder-then-file/inside", "file", b"x")),
    layer(("data/.wh.gone", "file", b""), ("opaque", "dir"), ("opaque/new", "file", b"new"),
          ("opaque/.wh..wh..opq", "file", b""), ("opaque/sub/new", "file", b"new"),
          ("lib64/big", "file", big), ("file-then-folder", "dir"),
          ("file-then-folder/inside", "file", b"y"),
          ("folder-then-file", "file", b"y"), (".wh..wh.plnk", "file", b"")),
    layer(("data/again", "file", b"again"), ("data/.wh.again", "file", b""),
          ("data/.wh.none", "file", b""), ("bin/late", "hard", "bin/tool"),
          # What lies under a link that leads out lies inside all the same.
          ("way", "link", "../../../up"), ("way/file", "file", b"up")),
]

plain = Layout("layout")
other = layer(("bin/tool", "file", b"other"))
plain.index(
    plain.image(layers), plain.image([other], architecture="arm", variant="v6"),
    plain.image([other, layer(("v7", "file", b""))], architecture="arm", variant="v7"),
    plain.blob(b"{}", platform={"os": "unknown", "architecture": "unknown"}), nested=True)
with tarfile.open(base / "layout.tar.gz", "w:gz") as tar:
    tar.add(plain.folder, arcname=".")

arm = Layout("arm-only")
arm.index(arm.image([other], architecture="arm", variant="v7"),
          arm.image([other], architecture="riscv64"))

named = Layout("named")
named.index(*[{**named.image([layer((name, "file", b""))]),
               "annotations": {"org.opencontainers.image.ref.name": name}} for name in ("a", "b")])

# docker save as it was: a layer twice, the second time as a link.
old = base / "old.tar"
documents = [("manifest.json", json.dumps([{
    "Config": sha(config([layers[0], layers[0]])) + ".json", "RepoTags": ["it:latest"],
    "Layers": ["one/layer.tar", "two/layer.tar"]}]).encode()),
    (sha(config([layers[0], layers[0]])) + ".json", config([layers[0], layers[0]]))]
with tarfile.open(old, "w") as tar:
    for name, data in [*documents, ("one/layer.tar", layers[0])]:
        info = tarfile.TarInfo(name)
        info.size = len(data)
        tar.addfile(info, io.BytesIO(data))
    info = tarfile.TarInfo("two/layer.tar")
    info.type, info.linkname = tarfile.SYMTYPE, "../one/layer.tar"
    tar.addfile(info)


def broken(name, change):
    made = Layout(name)
    made.index(made.image([layer(("a", "file", b"x" * 3000))], how=("gzip",)))
    change(made)


def flip(made, pick):
    for file in (made.folder / "blobs" / "sha256").iterdir():
        data = file.read_bytes()
        if pick(data):
            file.write_bytes(data.replace(b"amd64", b"amd65") if b"amd64" in data else data[:-1] + b"!")


broken("bad-layer", lambda made: flip(made, lambda data: data[:2] == b"\x1f\x8b"))
broken("bad-config", lambda made: flip(made, lambda data: b"diff_ids" in data))
broken("no-blob", lambda made: [
    file.unlink() for file in (made.folder / "blobs" / "sha256").iterdir()
    if file.read_bytes()[:2] == b"\x1f\x8b"])
broken("escape", lambda made: (made.folder / "index.json").write_text(json.dumps(
    {"manifests": [{"digest": "sha256:../../../../../../etc/passwd", "size": 1}]})))


def to_link(made):
    for file in (made.folder / "blobs" / "sha256").iterdir():
        if file.read_bytes()[:2] == b"\x1f\x8b":
            real = base / "elsewhere"
            file.rename(real)
            file.symlink_to(real)


broken("link-blob", to_link)
for name, entries in [
    ("parent", [("../x", "file", b"x")]), ("absolute", [("/x", "file", b"x")]),
    ("no-target", [("a", "hard", "none")]), ("through-file", [("f", "file", b""), ("f/x", "file", b"")]),
    ("circle", [("a", "link", "b"), ("b", "link", "a"), ("a/x", "file", b"")]),
    ("bad-whiteout", [(".wh...", "file", b"")]),
    ("bomb", [("zeros", "file", bytes(200_000_000))]),
]:
    made = Layout(name)
    made.index(made.image([layer(*entries)], how=("gzip",)))
