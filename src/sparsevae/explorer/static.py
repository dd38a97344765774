"""The explorer as one HTML file that needs neither Python nor a network.

It holds the page, the runtime of ONNX for the browser (gzipped, see page/vendor/lock.json), every
model as two programs and the study's own message; a policy inside forbids it to load anything.
"""

import base64
import gzip
import hashlib
import re
from collections.abc import Iterator, Sequence
from importlib.resources import files as package_files
from pathlib import Path

from sparsevae.explorer.backend import Study
from sparsevae.explorer.programs import browser_programs
from sparsevae.runs.noise import has_denoiser
from sparsevae.storage.files import make_folder, write_text

MOST_ROWS = 500  # test rows inside the file
ENTRY = "single.js"
IMPORT = re.compile(r'^import\s*(\{[^}]*\})\s*from\s*"\./([\w.]+)";\n', re.MULTILINE)
EXPORT = re.compile(r"^export (?:async )?(?:function|const) (\w+)", re.MULTILINE)
RUNTIME = ("ort.wasm.min.js", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm.gz")


def write_static(paths: Sequence[Path], out: Path) -> Path:
    """Write the explorer of a study as one file.

    Args:
        paths: folders of studies and of runs.
        out: the file.

    Returns:
        The file.

    Raises:
        RunFolderError: see :class:`Study`; or a model cannot be put into the browser's form.
        OutputError: the file cannot be written.
    """
    make_folder(out.absolute().parent)
    study = Study(paths, MOST_ROWS)
    blocks = {"study": gzip.compress(study.message(), 9, mtime=0)}
    for run in study.runs.values():
        blocks[run.key] = gzip.compress(run.message(study.rows), 9, mtime=0)
        for name, content in browser_programs(run, study.rows.values).items():
            blocks[f"{run.key}-{name}"] = gzip.compress(content, 9, mtime=0)
        if has_denoiser(run.trained):
            blocks[f"{run.key}-denoiser"] = gzip.compress(run.denoiser_message(), 9, mtime=0)
    write_text(out, single_page(blocks))
    return out


def single_page(blocks: dict[str, bytes]) -> str:
    """The page with its parts and blocks of gzipped data inside."""
    folder = package_files("sparsevae.explorer") / "page"
    runtime, module, program = ((folder / "vendor" / name).read_bytes() for name in RUNTIME)
    blocks = {**blocks, "runtime-module": gzip.compress(module, 9, mtime=0), "runtime": program}
    style = (folder / "style.css").read_text(encoding="utf-8")
    scripts = [runtime.decode().split("//# sourceMappingURL")[0], joined_modules()]
    policy = _policy(style, scripts)
    page = (folder / "index.html").read_text(encoding="utf-8")
    head = (
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n<style>{style}</style>'
    )
    page = page.replace('<link rel="icon" href="icon.svg">\n', "")
    page = page.replace('<link rel="stylesheet" href="style.css">', head)
    page = page.replace('<script type="module" src="served.js"></script>\n', "")
    data = "\n".join(_block(name, content) for name, content in blocks.items())
    body = f"{data}\n" + "\n".join(f"<script>{script}</script>" for script in scripts)
    return page.replace("</body>", f"{body}\n</body>")


def _block(name: str, content: bytes) -> str:
    text = base64.b64encode(content).decode()
    return f'<script type="text/plain" id="block-{name}">{text}</script>'


def _policy(style: str, scripts: Sequence[str]) -> str:
    """Only what is in the file runs, by its checksum; nothing is loaded from anywhere."""
    hashes = " ".join(_hash(script) for script in scripts)
    return (
        f"default-src 'none'; script-src {hashes} 'wasm-unsafe-eval' blob:; "
        f"style-src {_hash(style)}; base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"


def joined_modules() -> str:
    """The page's modules as one script: each a function's scope, after those that it imports."""
    script = "\n".join(_modules(ENTRY, set()))
    assert "</script" not in script
    return f'"use strict";\n(() => {{\n{script}\n}})();'


def _modules(name: str, seen: set[str]) -> Iterator[str]:
    """A module and all that it imports, those first; each gives an object of its exports."""
    if name in seen:
        return
    seen.add(name)
    folder = package_files("sparsevae.explorer") / "page"
    source = (folder / name).read_text(encoding="utf-8")
    for _, imported in IMPORT.findall(source):
        yield from _modules(imported, seen)
    taken = IMPORT.sub(lambda found: f"const {found[1]} = {_scope(found[2])};\n", source)
    exports = ", ".join(EXPORT.findall(source))
    plain = re.sub(r"^export ", "", taken, flags=re.MULTILINE)
    yield f"const {_scope(name)} = (() => {{\n{plain}\nreturn {{ {exports} }};\n}})();"


def _scope(name: str) -> str:
    return f"module_{name.removesuffix('.js')}"
