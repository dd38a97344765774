"""The shape of the package: who imports whom, how long things are, what the public names are."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import sparsevae

PACKAGE = Path(sparsevae.__file__).parent

DESIGN = PACKAGE.parents[1] / "DESIGN.md"


def listed_rooms():
    """The names of the rooms that DESIGN.md prints, from the top down."""
    section = DESIGN.read_text(encoding="utf-8").split("## The house", 1)[1].split("\n## ", 1)[0]
    return re.findall(r"^    (\w+)/  ", section, re.MULTILINE)


ROOMS = listed_rooms()
LOOSE = ["errors", "_version"]  # below every room
FLOOR = {name: place for place, name in enumerate([*ROOMS, *LOOSE])}
PUBLIC = [
    *("RunFolder", "SparseVAEError", "TrainedModel", "__version__", "evaluate", "fit", "load"),
    *("DeterministicCoder", "SparseVAE", "VariationalCoder", "VariationalSparseCoder"),
    *("from_pretrained", "push_to_hub", "save_pretrained", "study"),
    *("data", "figures", "metrics", "models", "plots"),
]
NAMELESS = {"utils", "util", "common", "helpers", "misc"}
MODULE_LINES, FUNCTION_LINES = 400, 50


def dotted(path):
    parts = ("sparsevae", *path.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {dotted(path): path for path in sorted(PACKAGE.rglob("*.py"))}
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in MODULES.items()}
each_module = pytest.mark.parametrize("name", MODULES)


def for_annotations_only(node):
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def executed(node):
    """Every node that runs at some time: all but the blocks for type checkers."""
    yield node
    for child in ast.iter_child_nodes(node):
        if not for_annotations_only(child):
            yield from executed(child)


def called(call):
    """The last name of what is called."""
    return getattr(call.func, "attr", getattr(call.func, "id", ""))


def targets(node):
    """The dotted names that one node imports; of a package's name, the package itself."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        assert node.level == 0, f"line {node.lineno}: write the whole name of the module"
        for alias in node.names:
            inner = f"{node.module}.{alias.name}"
            yield inner if inner in MODULES else node.module
    elif isinstance(node, ast.Call) and called(node) == "import_module":
        yield from (a.value for a in node.args[:1] if isinstance(a, ast.Constant))


def imported(tree):
    """The package's own modules that a tree imports, also inside functions."""
    found = {target for node in executed(tree) for target in targets(node)}
    return found & set(MODULES)


# The package itself stands below everything: modules take its version, and it imports lazily.
GRAPH = {
    name: imported(tree) - {"sparsevae", name}
    for name, tree in TREES.items()
    if name != "sparsevae"
}


def room(name):
    return name.split(".")[1]


def test_the_package_is_fourteen_rooms_and_nothing_loose():
    assert len(ROOMS) == 14
    entries = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or path.is_dir()}
    entries -= {"__pycache__"}
    assert entries == {*ROOMS, *LOOSE, "__init__", "__main__"}, "edit the house in DESIGN.md"


@pytest.mark.parametrize("name", [name for name in GRAPH if name != "sparsevae.__main__"])
def test_imports_point_down(name):
    above = {target for target in GRAPH[name] if FLOOR[room(target)] < FLOOR[room(name)]}
    assert not above


def test_no_import_cycle():
    state = {}

    def visit(name, path):
        cycle = " -> ".join([*path[path.index(name) :], name]) if name in path else ""
        assert not cycle, cycle
        if name not in state:
            state[name] = [visit(target, [*path, name]) for target in sorted(GRAPH[name])]

    for name in GRAPH:
        visit(name, [])
    assert set(state) == set(GRAPH)


def test_the_checks_see_every_kind_of_import():
    source = (
        "def f():\n    import sparsevae.models\n    from sparsevae import cli\n"
        "from sparsevae.data import load, idx\n"
        "import_module('sparsevae.runs.folder')\n"
        "if TYPE_CHECKING:\n    import sparsevae.training.config\n"
    )
    names = ("cli", "data", "data.idx", "models", "runs.folder")
    assert imported(ast.parse(source)) == {f"sparsevae.{name}" for name in names}


@each_module
def test_a_module_says_what_it_is_and_fits_one_sitting(name):
    assert ast.get_docstring(TREES[name]), "write a docstring: one sentence for the whole module"
    assert len(MODULES[name].read_text(encoding="utf-8").splitlines()) <= MODULE_LINES
    assert name.split(".")[-1] not in NAMELESS


@each_module
def test_functions_fit_the_eye(name):
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    long = []
    for node in ast.walk(TREES[name]):
        if isinstance(node, functions):
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            lines = body[-1].end_lineno - body[0].lineno + 1 if body else 0
            long += [f"{node.name}: {lines} lines"] if lines > FUNCTION_LINES else []
    assert not long


def test_data_files_are_packaged():
    text = (PACKAGE.parents[1] / "pyproject.toml").read_text(encoding="utf-8")
    (listed,) = re.findall(r"^sparsevae = (\[.+\])$", text, re.M)
    packaged = {path for pattern in ast.literal_eval(listed) for path in PACKAGE.glob(pattern)}
    files = {path for path in PACKAGE.rglob("*") if path.is_file()}
    code = {path for path in files if path.suffix in (".py", ".pyc")}
    assert files - code == packaged


def test_public_names():
    assert sorted(dir(sparsevae)) == sorted(PUBLIC)
    for name in PUBLIC:
        assert getattr(sparsevae, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'fits'"):
        sparsevae.fits  # noqa: B018


def loaded_after(statement):
    """Names of the modules loaded in a new process that runs one statement."""
    code = f"import sys\ntry:\n    {statement}\nexcept SystemExit as end:\n    assert not end.code"
    printed = "\nprint('loaded', *sorted(sys.modules))"
    result = subprocess.run(
        [sys.executable, "-c", code + printed], capture_output=True, text=True, check=True
    )
    return set(result.stdout.splitlines()[-1].split())


def test_importing_the_package_loads_nothing_heavy():
    loaded = loaded_after("import sparsevae")
    assert "sparsevae" in loaded
    assert not loaded & {"torch", "matplotlib", "sklearn", "jinja2", "scipy"}


def test_help_loads_nothing_heavy():
    loaded = loaded_after(
        "from sparsevae import cli; sys.argv = ['sparsevae', '--help']; cli.main()"
    )
    assert "sparsevae.cli" in loaded
    assert not loaded & {"torch", "matplotlib", "sklearn", "ray", "scipy"}


def test_a_run_enters_few_rooms():
    """Called functions by room: what a reader of one act has to know."""
    count = "import json, count_rooms; print(json.dumps(count_rooms.counted()))"
    said = subprocess.run(
        [sys.executable, "-c", count],
        cwd=DESIGN.parent / "tools",
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    found = json.loads(said)
    assert len(found["a whole run: trained, measured and kept"]) <= 9
    assert len(found["evaluation of a network"]) <= 6
