"""Every public name says what it takes and returns: parameters, shapes, errors, examples."""

import ast
import importlib
import inspect
import pkgutil
import re
import textwrap
from pathlib import Path

import pytest

import sparsevae

PAGES = re.compile(
    r"sparsevae(\.data|\.errors|\.metrics(\.\w+)?"
    r"|\.models(\.distributions|\.likelihoods|\.priors|\.schedules)?"
    r"|\.report\.(figures|plots))?"
)  # the modules that the site has a page for, see docs/conf.py
ARRAY = re.compile(r"\b(Array|Floats|Tensor|ndarray|Images|Mask|Bins|Labels)\b")
SHAPE = re.compile(r"[Ss]hapes?\b|\(B|\(N|\(J|0-d|as in :meth:")
INTERFACES = ("Encode", "PriorName")  # annotations, explained where they are defined
START = Path(__file__).parents[1] / "docs/start.md"
VERBS = (
    "fit",
    "load",
    "evaluate",
    "study",
    "SparseVAE",
    "TrainedModel.encode",
    "TrainedModel.decode",
    "TrainedModel.reconstruct",
    "TrainedModel.sample",
    "TrainedModel.log_likelihood",
    "TrainedModel.evaluate",
    "TrainedModel.save",
    "TrainedModel.export",
)


def public_objects():
    """Functions, classes and their methods by name, each once."""
    modules = [m.name for m in pkgutil.walk_packages(sparsevae.__path__, "sparsevae.")]
    found = {}
    for module in map(importlib.import_module, ["sparsevae", *filter(PAGES.fullmatch, modules)]):
        own = [
            n for n, v in vars(module).items() if getattr(v, "__module__", 0) == module.__name__
        ]
        for name in getattr(module, "__all__", None) or [n for n in own if n[0] != "_"]:
            thing = getattr(module, name)
            if callable(thing) and name not in INTERFACES:
                found.setdefault(thing, f"{module.__name__}.{name}")
    for thing, name in found.items():
        yield name, thing, None
        for part, member in vars(thing).items() if inspect.isclass(thing) else ():
            if not part.startswith("_"):
                plain = getattr(member, "fget", getattr(member, "__func__", member))
                if inspect.isfunction(plain):
                    yield f"{name}.{part}", plain, thing


PUBLIC = {name: (thing, owner) for name, thing, owner in public_objects()}
each_name = pytest.mark.parametrize("name", PUBLIC)


def documentation(thing, owner):
    """A docstring, with those that it overrides or that its class inherits."""
    if inspect.isclass(thing):
        parents = [base for base in thing.__mro__[1:] if base.__module__.startswith("sparsevae")]
    else:
        bases = owner.__mro__[1:] if owner else ()
        parents = [vars(base)[thing.__name__] for base in bases if thing.__name__ in vars(base)]
    return "\n".join(filter(None, (getattr(each, "__doc__", "") for each in [thing, *parents])))


def parameters(thing):
    """Those of a function or of a class that it has of its own."""
    try:
        found = inspect.signature(thing).parameters.values()
    except ValueError:  # a protocol or a built-in base
        return []
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [p for p in found if p.name not in ("self", "cls") and p.kind not in variadic]


@each_name
def test_it_says_what_it_is_and_names_what_it_takes(name):
    thing, owner = PUBLIC[name]
    text = documentation(thing, owner)
    assert len(text.split()) >= 2
    own = "sparsevae" in getattr(thing.__init__, "__module__", "sparsevae")  # not torch's
    if owner is None and len(parameters(thing)) > 1 and own:
        assert [p.name for p in parameters(thing) if not re.search(rf"\b{p.name}\b", text)] == []


@each_name
def test_arrays_have_shapes(name):
    thing, owner = PUBLIC[name]
    given = [p.name for p in parameters(thing) if ARRAY.search(str(p.annotation))]
    returned = not inspect.isclass(thing) and ARRAY.search(
        str(getattr(thing, "__annotations__", {}).get("return"))
    )
    module = inspect.getmodule(thing).__doc__ or ""
    if given or returned:
        assert SHAPE.search(documentation(thing, owner) + module)


@each_name
def test_errors_that_it_raises_are_named(name):
    thing, owner = PUBLIC[name]
    if not inspect.isfunction(inspect.unwrap(thing)):
        return
    tree = ast.parse(textwrap.dedent(inspect.getsource(thing)))
    calls = [n.exc for n in ast.walk(tree) if isinstance(n, ast.Raise) and n.exc is not None]
    names = {ast.unparse(call.func if isinstance(call, ast.Call) else call) for call in calls}
    errors = names - {"NotImplementedError", "AttributeError"}
    text = documentation(thing, owner)
    assert [error for error in errors if error not in text] == []


@pytest.mark.parametrize("name", VERBS)
def test_a_verb_has_an_example_that_runs(name):
    """In a docstring, which runs with the tests, or in a block of the site, which does too."""
    owner, _, verb = name.rpartition(".")
    docstring = getattr(sparsevae, owner or verb).__doc__
    examples = [line for line in docstring.splitlines() if re.match(r" *(>>>|\.\.\.)", line)]
    assert "doctest: +SKIP" not in docstring
    blocks = re.findall(r"^```python\n(.*?)^```", START.read_text(encoding="utf-8"), re.M | re.S)
    call = rf"\b{verb}\("
    assert any(re.search(call, line) for line in [*examples, *blocks])


@pytest.mark.parametrize("room", ["models", "metrics"])
def test_what_is_of_the_literature_names_it(room):
    """A module with a published quantity or model says whose it is."""
    package = importlib.import_module(f"sparsevae.{room}")
    texts = {
        module.name: inspect.getsource(importlib.import_module(module.name))
        for module in pkgutil.walk_packages(package.__path__, f"sparsevae.{room}.")
    }
    people = ("Treves", "Eastwood", "Kumar", "Hoyer", "Tonolini", "Burda", "Im ", "Wang", "Chen")
    for person in people:
        for name, text in texts.items():
            named = re.search(rf"\b{person}\b", text)
            assert not named or re.search(r"\b(19|20)\d\d\b", text), (name, person)
