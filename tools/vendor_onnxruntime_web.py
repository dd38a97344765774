"""Renew the parts of onnxruntime-web that the explorer's single file carries.

    python tools/vendor_onnxruntime_web.py            check the files against the lock
    python tools/vendor_onnxruntime_web.py 1.30.0     take that version from the npm registry

The lock keeps the version, the package's own checksum (npm's "integrity") and the SHA-256 of every
file as it lies here. The package says that it is under the MIT licence and holds no text of it:
LICENSE stands beside the files and is written by hand.
"""

import gzip
import hashlib
import io
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "src" / "sparsevae" / "explorer" / "page" / "vendor"
LOCK = FOLDER / "lock.json"
NAMES = ("ort.wasm.min.js", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")


def compressed(name: str, content: bytes) -> tuple[str, bytes]:
    """The name and content as they lie in the package: the program itself is gzipped."""
    if not name.endswith(".wasm"):
        return name, content
    return f"{name}.gz", gzip.compress(content, 9, mtime=0)


def fetch(version: str) -> tuple[str, dict[str, bytes]]:
    """The integrity of a version and its files, from the npm registry."""
    with tempfile.TemporaryDirectory() as folder:
        answer = subprocess.run(
            ["npm", "pack", "--json", f"onnxruntime-web@{version}"],
            cwd=folder,
            check=True,
            capture_output=True,
            text=True,
        )
        packed = json.loads(answer.stdout)
        facts = packed[0] if isinstance(packed, list) else next(iter(packed.values()))
        content = (Path(folder) / facts["filename"]).read_bytes()
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        files = {}
        for name in NAMES:
            member = archive.extractfile(f"package/dist/{name}")
            assert member is not None, name
            files[name] = member.read()
    return facts["integrity"], files


def renew(version: str) -> None:
    """Write the files of a version and the lock."""
    integrity, files = fetch(version)
    checksums = {}
    for name, content in files.items():
        kept, packed = compressed(name, content)
        (FOLDER / kept).write_bytes(packed)
        checksums[kept] = hashlib.sha256(packed).hexdigest()
    lock = {
        "package": "onnxruntime-web",
        "version": version,
        "integrity": integrity,
        "licence": "MIT",
        "sha256": checksums,
    }
    LOCK.write_text(json.dumps(lock, indent=1) + "\n", encoding="utf-8")


def check() -> list[str]:
    """Names of files that are not what the lock says."""
    lock = json.loads(LOCK.read_text(encoding="utf-8"))
    return [
        name
        for name, expected in lock["sha256"].items()
        if hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() != expected
    ]


if __name__ == "__main__":
    if len(sys.argv) > 1:
        renew(sys.argv[1])
    wrong = check()
    print(f"Not as in the lock: {', '.join(wrong)}" if wrong else "All files are as in the lock.")
    sys.exit(bool(wrong))
