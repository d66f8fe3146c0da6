"""A package such as npm would give out, in miniature."""

import tarfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

INDEX = b"""<!doctype html><script>window.PUBLIC_URL="/"</script><script src="/app.0123456789abcdef.js"></script>"""
SCRIPT = b"console.log('viewer');\n" * 400
FILES = {
    "package/package.json": b"{}",
    "package/LICENSE": b"MIT",
    "package/dist/index.html": INDEX,
    "package/dist/app.0123456789abcdef.js": SCRIPT,
    "package/dist/app.0123456789abcdef.js.map": b"{}",
    "package/dist/app-config.js": b"window.config = {where: 'https://elsewhere.example'}",
    "package/dist/init-service-worker.js": b"importScripts('https://elsewhere.example')",
    "package/dist/sw.js": b"importScripts('https://elsewhere.example')",
    "package/dist/ort/ort.js": b"",
    "package/dist/assets/icon.svg": b"<svg/>",
}


def write_package(path: Path, files: Mapping[str, bytes] = FILES, *links: tuple[str, str]) -> Path:
    """Write a tarball; links are pairs of a name and what it points at."""
    with tarfile.open(path, "w:gz") as tarball:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tarball.addfile(member, BytesIO(content))
        for name, target in links:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, target
            tarball.addfile(member)
    return path
