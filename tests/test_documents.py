"""What the documents show works: code and commands run, links lead somewhere.

A document is read from top to bottom in one empty folder: its ``python`` blocks share their
names, and of its ``console``, ``bash`` and ``sh`` blocks the lines that call ``sparsevae`` run
through the command line's entry. Whatever trains is given few epochs, images and seeds
(``FEWER``); a Python block must be small by itself. A block right after
``<!-- not run: reason -->`` is only read.
"""

import re
import runpy
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from sparsevae.cli import main

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted(
    path
    for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
    if path.relative_to(ROOT).parts[:2] != ("docs", "_build")
)
EXAMPLES = sorted(ROOT.glob("examples/*.py"))
SHELLS = ("console", "bash", "sh")
FEWER = {
    "study": ("--epochs", "1", "--limit", "200", "--seeds", "0", "--latents", "4"),
    "fit": ("--epochs", "1"),
    "tune": ("--trials", "2"),
}  # appended, so that they outdo the line's own options
ONE_MODEL = ("--models", "vsc")  # of a study that brings no model of its own
DOWNLOADED = {"mnist": "needs_mnist", "fashion-mnist": "needs_fashion_mnist"}
unhurried = pytest.mark.timeout(1200)  # a whole document, on a machine with other work

BLOCK = re.compile(
    r"(?:<!-- not run: (?P<reason>.+?) -->\n\s*)?"
    r"^(?P<indent> *)```(?P<language>\w+)[^\n]*\n(?P<text>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)
LINK = re.compile(r"\[[^\]]*\]\((?![a-z]+:|#)([^)#\s]+)")


@dataclass(frozen=True)
class Block:
    """A fenced block that is to be run, and the line it starts on."""

    language: str
    text: str
    line: int


def blocks(markdown):
    """The blocks of a document that are to be run, from top to bottom."""
    for match in BLOCK.finditer(markdown):
        if match["language"] in ("python", *SHELLS) and match["reason"] is None:
            indent = len(match["indent"])
            text = "\n".join(line[indent:] for line in match["text"].splitlines())
            yield Block(match["language"], text, markdown[: match.start("text")].count("\n") + 1)


def commands(text):
    """Arguments of the calls of sparsevae in a shell block, made small."""
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.split(line.removeprefix("$ "), comments=True)
        if words and words[0] == "sparsevae":
            verb = words[1] if len(words) > 1 else ""
            one = ONE_MODEL if verb == "study" and "--plugin" not in words else ()
            yield [*words[1:], *FEWER.get(verb, ()), *one]


def command(arguments):
    """Run a command as it is typed, but in this process, to save its start."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["sparsevae", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
    alarmed = arguments[0] == "fit" and ended.value.code == 3  # after one pass
    assert alarmed or not ended.value.code, arguments


def names_of(paths):
    return [path.relative_to(ROOT).as_posix() for path in paths]


def documents_with_blocks():
    """Every document that has something to run, marked with the data that it needs."""
    for path in DOCUMENTS:
        text = path.read_text(encoding="utf-8")
        needed = {name for name in DOWNLOADED if re.search(rf"--dataset {name}\b(?!-)", text)}
        marks = [getattr(pytest.mark, DOWNLOADED[name]) for name in needed]
        if any(blocks(text)):
            yield pytest.param(path, marks=marks, id=path.relative_to(ROOT).as_posix())


@unhurried
@pytest.mark.usefixtures("rows_of_this_test_stay", "no_workers", "few_draws")
@pytest.mark.parametrize("path", list(documents_with_blocks()))
def test_a_document_runs(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shared = {"__name__": "__main__"}
    for block in blocks(path.read_text(encoding="utf-8")):
        if block.language == "python":
            # The empty lines make a traceback show the lines of the document.
            padded = "\n" * (block.line - 1) + block.text
            exec(compile(padded, path, "exec"), shared)
        else:
            for arguments in commands(block.text):
                command(arguments)


@pytest.mark.usefixtures("rows_of_this_test_stay", "no_workers", "few_draws")
@pytest.mark.parametrize("path", EXAMPLES, ids=names_of(EXAMPLES))
def test_an_example_runs(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(path), "--epochs", "1", "--limit", "300"])
    runpy.run_path(str(path), run_name="__main__")


@pytest.mark.parametrize("path", DOCUMENTS, ids=names_of(DOCUMENTS))
def test_links_lead_to_files(path):
    links = LINK.findall(path.read_text(encoding="utf-8"))
    assert [link for link in links if not (path.parent / link).exists()] == []


def test_the_project_has_its_documents():
    wanted = {"README.md", "DESIGN.md", "CONTRIBUTING.md", "CHANGELOG.md"}
    wanted |= {"SECURITY.md", "CODE_OF_CONDUCT.md", "docs/index.md", "docs/faq.md"}
    assert wanted - set(names_of(DOCUMENTS)) == set()


def test_the_readme_shows_how_to_start():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert {block.language for block in blocks(text)} & set(SHELLS)
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    shown = set(re.findall(r"^(?: {4}|\$ )make (\w+)", text, re.MULTILINE))
    assert {"demo", "test"} <= shown <= targets


def test_decision_records_are_numbered_and_listed():
    folder = ROOT / "docs/decisions"
    records = sorted(path.name for path in folder.glob("[0-9]*.md"))
    assert [name[:4] for name in records] == [f"{i + 1:04d}" for i in range(len(records))]
    index = (folder / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"\]\((\d[^)]+)\)", index) == records


def test_blocks_are_found_and_made_small():
    text = (
        "```python\nx = 1\n```\n\n- item\n\n  ```console\n  $ sparsevae study a.yaml \\\n"
        "      --epochs 9\n  Report: a\n  ```\n"
        "<!-- not run: a server -->\n```bash\nsparsevae x\n```\n```yaml\na: 1\n```\n"
    )
    first, second = blocks(text)
    assert (first.language, first.text, first.line) == ("python", "x = 1", 2)
    assert list(commands(second.text)) == [
        ["study", "a.yaml", "--epochs", "9", *FEWER["study"], *ONE_MODEL]
    ]
