"""The site's own parts: its check of links, its notebooks, its choice of public names."""

import importlib.util
import re
import subprocess
from pathlib import Path

import pytest

import sparsevae

ROOT = Path(__file__).parents[1]
NOTEBOOKS = [
    path
    for path in sorted(ROOT.glob("docs/**/*.md"))
    if "_build" not in path.parts and path.read_text(encoding="utf-8").startswith("---\njupytext:")
]


@pytest.fixture(scope="module")
def checker():
    spec = importlib.util.spec_from_file_location("check_site", ROOT / "tools/check_site.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_dead_links_and_fetched_files_are_named(tmp_path, checker):
    (tmp_path / "a.html").write_text(
        '<h1 id="top">A</h1><a href="b.html#there">b</a><a href="#top">up</a>'
        '<a href="https://example.org">out</a><img src="c.png"><a href="gone.html">gone</a>'
    )
    (tmp_path / "b.html").write_text('<script src="//cdn.org/x.js"></script><p id="here">B</p>')
    (tmp_path / "c.png").touch()
    assert sorted(checker.problems(tmp_path)) == [
        "a.html links to b.html#there, which has no such place",
        "a.html links to gone.html, which is not there",
        "b.html fetches //cdn.org/x.js",
    ]


def test_every_page_is_in_a_table_of_contents():
    pages = {p.relative_to(ROOT / "docs") for p in ROOT.glob("docs/**/*.md")}
    pages = {page.with_suffix("").as_posix() for page in pages if page.parts[0] != "_build"}
    listed = {"index"}
    for page in pages:
        text = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
        for block in re.findall(r"```{toctree}\n(.*?)```", text, re.DOTALL):
            entries = [line for line in block.splitlines() if line and not line.startswith(":")]
            listed |= {(Path(page).parent / entry).as_posix() for entry in entries}
    records = {page for page in pages if re.match(r"decisions/\d", page)}  # by their own list
    assert pages - records <= listed


def test_notebooks_open_as_notebooks():
    jupytext = pytest.importorskip("jupytext", reason="needs the extra docs")
    assert len(NOTEBOOKS) >= 6
    for path in NOTEBOOKS:
        kinds = {cell.cell_type for cell in jupytext.read(path).cells}
        assert kinds == {"markdown", "code"}, path.name


@pytest.mark.parametrize("name", [n for n in sparsevae.__all__ if n not in ("metrics",)])
def test_a_public_name_says_what_it_is(name):
    text = getattr(sparsevae, name).__doc__ or ""
    assert len(text.split()) > 5


def test_the_first_screen_is_short_and_plain():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    first, *sections = readme.split("\n## ")
    assert len(re.findall(r"\w+", re.sub(r"\]\([^)]*\)", "]", first))) <= 120
    assert not re.search(r"[\u0370-\u03ff]", first)
    assert re.findall(r"!\[[^]]+\]\(([^)]+)\)", first) == ["docs/images/explorer.gif"]
    assert len(re.findall(r"^    make \w+", first, re.MULTILINE)) == 2
    assert len(re.findall(r"^\* .*\d", sections[0], re.MULTILINE)) == 5


def test_links_of_the_readme_can_be_made_absolute():
    """An index shows README alone: the release writes every link to a file anew."""
    program = re.search(r'sed -Ei "(.+)" ', (ROOT / "tools/release").read_text(encoding="utf-8"))[
        1
    ]
    program = program.replace("${home%/}", "https://home.example/v1").replace("\\\\", "\\")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    written = subprocess.run(
        ["sed", "-E", program], input=readme, capture_output=True, text=True, check=True
    ).stdout
    links = re.findall(r"\]\(([^)]+)\)", written)
    assert len(links) > 8
    assert [link for link in links if not link.startswith("https://")] == []
