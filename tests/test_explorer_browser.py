"""The explorer in a real browser: served and as one file, wide and narrow, light and dark.

One browser and one server serve all tests; a test has a context of its own.
"""

import re
import shutil
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from sparsevae.evaluation import denoising
from sparsevae.evaluation.denoising import Denoiser, Residuals
from sparsevae.explorer.guard import BINARY
from sparsevae.explorer.packing import packed
from sparsevae.explorer.server import page_files
from sparsevae.explorer.static import write_static
from sparsevae.runs.folder import RunFolder
from sparsevae.runs.train import train_run
from sparsevae.training.config import StudyConfig
from sparsevae.training.recipes import runs

pytestmark = pytest.mark.needs_browser

VIEWS = ("image", "plane", "dimensions", "classes", "paths", "noise", "samples")
CONTRAST = """() => {
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((v) => v / 255)
      .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = numbers(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const poor = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
    if (!own || !element.offsetParent || element.closest(":disabled")) continue;
    const [a, b] = [numbers(getComputedStyle(element).color), ground(element)].map(light);
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) poor.push(`${element.tagName}.${element.className} ${ratio.toFixed(2)}`);
  }
  return [...new Set(poor)];
}"""
NAMELESS = """() => [...document.querySelectorAll(
    "button, a, select, input, canvas[tabindex], canvas[role], [role=slider], [role=application], "
    + "[role=group], [role=region], dialog, nav, aside, ol[tabindex]")]
  .filter((e) => !(e.getAttribute("aria-label") || e.textContent.trim()
    || e.closest("label")?.textContent.trim()))
  .map((e) => e.outerHTML.slice(0, 120))"""
SETTLED = """() => !document.querySelector(".path:empty")
  && !!document.querySelector("main[data-shown]")"""
READ = """
  const canvas = document.querySelector(selector);
  if (!canvas) return null;
  const copy = new OffscreenCanvas(canvas.width, canvas.height);
  const pen = copy.getContext("2d", { willReadFrequently: true });
  pen.drawImage(canvas, 0, 0);
  const { data } = pen.getImageData(0, 0, canvas.width, canvas.height);
"""
MEAN = f"(selector) => {{ {READ} return data.reduce((a, b) => a + b, 0) / data.length; }}"
DIGEST = f"""(selector) => {{ {READ}
  return data.reduce((sum, value, i) => (sum * 31 + value * (i % 97)) % 1000003, 7);
}}"""


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    names = ("chromium", "chromium-browser", "google-chrome")
    program = next(filter(None, map(shutil.which, names)))
    with sync_playwright() as play:
        found = play.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture(scope="module")
def folder(tiny_run, tiny_dataset, tmp_path_factory):
    """A study of a model with gates and one without."""
    top = tmp_path_factory.mktemp("explored")
    shutil.copytree(tiny_run.path, top / "runs" / tiny_run.path.name)
    study = StudyConfig(models=("vae",), latents=(4,), epochs=1, batch_size=64)
    (config,) = runs(study, tiny_dataset.name)
    train_run(config, tiny_dataset, RunFolder(top / "runs" / config.name))
    return top


def served(folder):
    """The command's process and the address that it prints."""
    command = [sys.executable, "-m", "sparsevae", "explore", str(folder), "--no-browser"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    line = process.stdout.readline()
    assert line.startswith("Explorer: "), line
    return process, line.split()[1]


def stop(process):
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0
    process.stdout.close()


@pytest.fixture(scope="module")
def addresses(folder, tmp_path_factory):
    single = write_static([folder], tmp_path_factory.mktemp("single") / "explorer.html")
    process, address = served(folder)
    yield {"server": address, "single": single.as_uri()}
    stop(process)


@pytest.fixture
def open_page(browser):
    """Opens a page that must stay quiet and ask for nothing outside itself."""
    contexts = []

    def opened(address, width=1280, scheme="light"):
        size = {"width": width, "height": 900}
        context = browser.new_context(
            viewport=size, color_scheme=scheme, has_touch=width < 600, accept_downloads=True
        )
        page = context.new_page()
        page.said, page.asked = [], []
        page.on("console", lambda message: page.said.append(message.text))
        page.on("pageerror", lambda error: page.said.append(str(error)))
        page.on("request", lambda request: page.asked.append(request.url))
        page.set_default_timeout(30_000)
        page.goto(address)
        page.wait_for_selector("html[data-ready]")
        contexts.append((context, page, address.split("#")[0]))
        return page

    yield opened
    for context, page, origin in contexts:
        assert page.said == []
        outside = [u for u in page.asked if not u.startswith((origin, "blob:"))]
        assert outside == []
        context.close()


def made_up(shape, labels, latents):
    """What the server would answer of rows and codes drawn at random, by the path of the call."""
    draw = np.random.default_rng(0)
    count, elements = len(labels), int(np.prod(shape))
    facts = {
        "name": "made up",
        "shape": shape,
        "low": 0.0,
        "high": 1.0,
        "whole": False,
        "columns": [f"c{i}" for i in range(elements)] if len(shape) == 1 else [],
        "classes": [f"kind {k}" for k in range(max(labels) + 1)],
        "note": "",
        "kinds": [],
        "models": [{"key": "r0", "title": "VSC", "latents": latents, "seed": 0, "epochs": 1}],
    }
    facts["models"][0] |= {"gated": True, "samples": False, "denoises": True, "likelihood": ""}
    arrays = {
        "rows": draw.random((count, *shape), np.float32),
        **{name: np.ones(elements, np.float32) for name in ("mean", "spread")},
        "basis": np.zeros((0, elements), np.float16),
        "labels": np.asarray(labels, np.int32),
    }
    run = {
        "gates": np.full((count, latents), 255, np.uint8),
        "slabs": draw.normal(size=(count, latents)).astype(np.float32),
        "ends": np.tile(np.float32([-1, 1]), (latents, 1)),
        "cost": np.ones(latents, np.float32),
    }
    row = np.zeros(elements, "<f4")
    return {
        "study": packed(facts, arrays),
        "runs/r0": packed(facts["models"][0], run),
        "runs/r0/encode": np.ones(2 * latents, "<f4").tobytes(),
        **{f"runs/r0/{name}": row.tobytes() for name in ("decode", "denoise")},
    }


@pytest.fixture
def open_made_up(browser):
    """Opens the page on answers that are made up, for what no small study holds; no server."""
    pages = []

    def opened(answers, address="/image"):
        def answer(route):
            name = route.request.url.split("/", 3)[3]
            if name.startswith("api/"):
                call = name.removeprefix("api/")
                page.bodies[call] = route.request.post_data_buffer
                page.tokens.append(route.request.headers["x-explorer-token"])
                route.fulfill(body=answers[call], content_type=BINARY)
            else:
                kind, content = parts[name or "index.html"]
                route.fulfill(body=content, content_type=kind)

        page, parts = browser.new_page(), page_files()
        page.said, page.bodies, page.tokens = [], {}, []
        page.on("pageerror", lambda error: page.said.append(str(error)))
        page.route("**/*", answer)
        page.goto(f"http://127.0.0.1:9/#{address}")
        page.wait_for_selector("html[data-ready]")
        pages.append(page)
        return page

    yield opened
    for page in pages:
        assert page.said == []
        page.close()


def test_large_rows_and_many_classes_are_no_trouble(open_made_up):
    """Neither a row nor a table of means fits into the arguments of one call."""
    page = open_made_up(made_up((1, 400, 500), [0, 1], 2), "/noise")
    page.wait_for_selector(".ranking h3")
    assert len(page.bodies["runs/r0/denoise"]) == 4 * 2 * 400 * 500
    page = open_made_up(made_up((1, 2, 2), range(600), 400), "/classes")
    page.wait_for_selector("main[data-shown=classes] .map")


def test_of_many_classes_the_most_frequent_have_colours(open_made_up):
    labels = [k for k in range(13) for _ in range(1 if k in (2, 5, 11) else 2)]
    page = open_made_up(made_up((1, 2, 2), labels, 3), "/plane")
    page.wait_for_selector("article[aria-label=VSC] .plane")
    items = page.locator(".legend li")
    kept = [f"kind {k}" for k in range(13) if k not in (2, 5, 11)]
    assert items.all_inner_texts() == [*kept, "3 others"]
    colours = items.locator("i").evaluate_all("(all) => all.map((e) => e.style.background)")
    assert len(set(colours)) == 11
    page = open_made_up(made_up((1, 2, 2), [0, 1, 1], 3), "/plane")
    assert page.locator(".legend li").all_inner_texts() == ["kind 0", "kind 1"]


def test_an_edited_row_keeps_every_number_that_was_not_touched(open_made_up):
    answers = made_up((4,), [0, 1], 2)
    page = open_made_up(answers)
    page.locator("button", has_text="Edit").click()
    page.locator(".numbers input").nth(1).fill("")
    page.locator("button", has_text="Use it").click()
    assert page.locator("dialog .wrong").inner_text() == (
        "The column 'c1' holds no finite number; give it one."
    )
    assert "row=own" not in page.url
    page.locator(".numbers input").nth(1).fill("3.5")
    page.locator("button", has_text="Use it").click()
    page.wait_for_selector(".row-name:has-text('A row of your own')")
    row = np.random.default_rng(0).random((2, 4), np.float32)[0]
    row[1] = 3.5
    np.testing.assert_array_equal(np.frombuffer(page.bodies["runs/r0/encode"], "<f4"), row)


def test_a_dropped_row_brings_its_notes_and_a_refused_one_is_not_chosen(open_made_up):
    answers = made_up((4,), [0, 1], 2)
    note = "Gaps of the row hold what VSC expects there: 'c2'."
    answers["upload/csv"] = packed({"notes": [note]}, {"rows": np.ones((2, 4), np.float32)})
    page = open_made_up(answers)
    name = page.locator(".row-name")
    file = {"name": "mine.csv", "mimeType": "text/csv", "buffer": b"c0,c1,c2,c3"}
    page.locator("input[type=file]").set_input_files(file)
    page.wait_for_selector(".row-name:has-text('mine.csv')")
    assert page.locator(".row-note").inner_text() == note
    page.locator(".tiles button").first.click()
    page.wait_for_selector(".row-name:has-text('Test row 1')")
    assert page.locator(".row-note").inner_text() == ""
    answers["runs/r0/encode"] = np.full(4, np.nan, "<f4").tobytes()
    page.locator("input[type=file]").set_input_files(file)
    page.wait_for_selector("#trouble:not([hidden])")
    assert "VSC has no finite code for this row" in page.locator("#trouble").inner_text()
    assert name.inner_text() == "Test row 1, class kind 0"
    assert "row=own" not in page.url


def test_the_address_of_a_new_start_opens_in_the_same_tab(open_made_up):
    page = open_made_up(made_up((1, 2, 2), [0, 1], 2), "token=one")
    page.evaluate("location.hash = '#token=two'")
    page.wait_for_function("() => !location.hash.includes('token')")
    page.wait_for_selector("html[data-ready]")
    assert {page.tokens[0], page.tokens[-1]} == {"one", "two"}
    page.route("**/api/study", lambda route: route.fulfill(status=401, body="Open the address."))
    page.evaluate("location.hash = '#token=guessed'")
    page.wait_for_selector("#app [role=alert]")
    page.unroute("**/api/study")
    page.reload()  # a token that opens nothing does not take the place of one that does
    page.wait_for_selector("html[data-ready]")
    assert page.tokens[-1] == "two"


TABLE = {"columns": ["a", "b c", "d"], "shape": [3], "kinds": []}
TEXTS = [
    ("a,b c,d\n1,2,3\n", TABLE, [1, 2, 3]),
    ('"d";"a";"b c"\n"3";"1";"2"\n', TABLE, [1, 2, 3]),
    ("kind\ta\tb c\td\nx\t1\t2\t3\n", TABLE, [1, 2, 3]),
    ('a,kind,b c,d\n1,"x, y",2,3\n', TABLE, [1, 2, 3]),
    ("1;2;3", TABLE, [1, 2, 3]),
    ("u,v\n1,2\n", {**TABLE, "columns": [], "shape": [2]}, [1, 2]),
    ("", TABLE, "The file is empty"),
    ("a,b c,d\n", TABLE, "holds names and no row"),
    ("a,b c,d\n1,,3\n", TABLE, "Row 1 of the file is empty in the column 'b c'"),
    ("1,nan,3\n", TABLE, "Row 1 of the file holds 'nan' in the column 'b c'"),
    ("a,b c,d\n1,2,1e39\n", TABLE, "'1e39' in the column 'd', which is not a finite number"),
    ("a,q\n1,2\n", TABLE, "lacks columns of the data ('b c', 'd')"),
    ("a,b c,d\n1,2\n", TABLE, "Row 1 of the file has 2 fields and not 3"),
    ("a\n1\n", {**TABLE, "kinds": ["categories", "dates"]}, "with categories or dates; `spars"),
    ("1\n", {**TABLE, "shape": [1, 28, 28]}, "Rows here are images"),
]


def test_the_single_file_reads_tables_in_text_or_says_what_is_wrong(open_made_up):
    page = open_made_up(made_up((1, 2, 2), [0, 1], 2))
    for text, facts, expected in TEXTS:
        found = page.evaluate(
            """async ([text, facts]) => {
                const { firstRow } = await import("/dropped_table.js");
                try { return [...firstRow(text, facts)]; } catch (error) { return error.message; }
            }""",
            [text, facts],
        )
        assert expected in found if isinstance(expected, str) else found == expected, found


def show(page, view):
    page.locator(".menu a").nth(VIEWS.index(view)).click()
    page.wait_for_selector(f"main[data-shown={view}]")
    page.wait_for_function(SETTLED)


def changes(page, selector, act):
    """Whether a canvas is another one soon after an action."""
    before = page.evaluate(DIGEST, selector)
    act()
    changed = f"([s, b]) => {{ const now = ({DIGEST})(s); return now !== null && now !== b; }}"
    page.wait_for_function(changed, arg=[selector, before])


# a link that names one dimension for both axes of a plane
NAMED_TWICE = """() => {
  const [path, query] = location.hash.split("?");
  const asked = new URLSearchParams(query);
  asked.set("x", asked.get("y"));
  location.hash = `${path}?${asked}`;
}"""
COMBINATIONS = [
    ("server", 1280, "light"),
    ("server", 390, "dark"),
    ("single", 1280, "dark"),
    ("single", 390, "light"),
]


@pytest.mark.parametrize(("kind", "width", "scheme"), COMBINATIONS)
def test_a_walk_through_every_view(open_page, addresses, kind, width, scheme):
    page = open_page(addresses[kind], width, scheme)
    walk_code(page)
    walk_plane(page, width)
    walk_dimensions(page)
    walk_classes(page)
    walk_paths(page)
    walk_noise(page)
    walk_samples(page)


def walk_code(page):
    """Choose, toggle, drag, preview, reset; the decoded image follows."""
    vsc = "article[aria-label=VSC]"
    image = f"{vsc} .stage canvas"
    changes(page, image, lambda: page.locator(".tiles button").nth(3).click())
    assert page.locator(".row-name").inner_text().startswith("Test image 4, class")
    bar = page.locator(f"{vsc} .bar").first
    bar.scroll_into_view_if_needed()
    changes(page, image, bar.click)
    assert re.search(r"edit=r\d", page.url)
    off = page.locator(f"{vsc} .bar:not(.open)").first
    page.mouse.move(5, 5)
    off.hover()
    page.wait_for_selector(f"{vsc} .previewed")
    assert "were on" in page.locator(f"{vsc} .ghost").inner_text()
    page.mouse.move(5, 5)
    page.wait_for_selector(f"{vsc} .previewed", state="detached")
    box = bar.bounding_box()
    middle = (box["x"] + box["width"] / 2, box["y"] + 50)
    page.mouse.move(*middle)
    page.mouse.down()
    changes(page, image, lambda: page.mouse.move(middle[0], middle[1] - 30, steps=4))
    page.mouse.up()
    assert "on, " in bar.get_attribute("aria-valuetext")
    page.locator(f"{vsc} button", has_text="Reset").click()
    page.wait_for_function("() => !location.hash.includes('edit=')")
    bar.focus()
    changes(page, image, lambda: page.keyboard.press("ArrowUp"))
    before = bar.get_attribute("aria-valuetext")
    page.keyboard.press("Enter")
    assert bar.get_attribute("aria-valuetext") != before
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.dataset.dimension") == "1"


def walk_plane(page, width):
    """Point, zoom, choose a dot, other dimensions, keys."""
    show(page, "plane")
    vsc = "article[aria-label=VSC]"
    plane = page.locator(f"{vsc} .plane")
    plane.scroll_into_view_if_needed()
    box = plane.bounding_box()
    shown = f"{vsc} .beside canvas"
    point = (box["x"] + box["width"] * 0.2, box["y"] + box["height"] * 0.3)
    changes(page, shown, lambda: page.mouse.move(*point))
    page.locator(f"{vsc} [aria-label^='Zoom in']").click()
    page.wait_for_function("() => location.hash.includes('zoom=')")
    across, up = (page.locator(f"{vsc} select").nth(place) for place in (0, 1))
    across.select_option(up.input_value())  # of one dimension there is no plane: they swap
    page.wait_for_function("() => location.hash.includes('x=')")
    page.wait_for_function(SETTLED)
    assert across.input_value() != up.input_value()
    twice = up.input_value()
    page.evaluate(NAMED_TWICE)
    page.wait_for_function(
        "([s, j]) => document.querySelector(s).value === j", arg=[f"{vsc} select", twice]
    )
    page.wait_for_function(SETTLED)
    assert up.input_value() != twice
    page.locator(f"{vsc} .plane").focus()
    changes(page, shown, lambda: [page.keyboard.press("ArrowRight") for _ in range(6)])
    row = page.locator(".row-name").inner_text()
    for key in ["ArrowRight"] * 60 + ["ArrowUp"] * 60:  # past every dot, to that of another row
        page.keyboard.press(key)
    page.keyboard.press("Enter")
    page.wait_for_function(
        "(text) => document.querySelector('.row-name').textContent !== text", arg=row
    )


def walk_dimensions(page):
    """Sort, search, open one by pressing; its link and its neighbours; back."""
    show(page, "dimensions")
    page.locator(".controls select").select_option("number")
    first = page.locator("article[aria-label=VSC] .lines a").first
    page.wait_for_function("() => document.querySelector('.lines b').textContent === '0'")
    page.locator("input[type=search]").fill("2")
    page.wait_for_function(
        "() => document.querySelectorAll('article[aria-label=VSC] .lines li').length >= 1"
    )
    assert first.locator("b").inner_text() == "2" or "class" in page.locator(
        "input[type=search]"
    ).get_attribute("placeholder")
    page.locator("input[type=search]").fill("")
    first.click()
    page.wait_for_selector("text=Dimension 0 of VSC")
    assert re.search(r"model=r\d&d=0", page.url)
    for title in ("What it does", "How strongly", "For which classes", "What it turns on with"):
        page.wait_for_selector(f"h3:has-text('{title}')")
    assert page.locator(".frames li").count() == 10
    page.locator("button", has_text="Next").click()
    page.wait_for_selector("text=Dimension 1 of VSC")
    page.go_back()
    page.wait_for_selector("text=Dimension 0 of VSC")
    page.locator("button", has_text="All dimensions").click()
    page.wait_for_selector("input[type=search]")


def walk_classes(page):
    """Press a cell, see what is behind it; another measure; keys."""
    show(page, "classes")
    page.locator(".segmented button", has_text="Gate").first.click()
    page.wait_for_function("() => location.hash.includes('show=gamma')")
    canvas = page.locator("article[aria-label=VSC] .map")
    canvas.scroll_into_view_if_needed()
    canvas.click(position={"x": 60, "y": 30})
    page.wait_for_selector(".behind h3")
    assert "Class 1, dimension 0 of VSC" in page.locator(".behind h3").inner_text()
    canvas.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=Class 2, dimension 0 of VSC")


def walk_paths(page):
    """Press an image: both paths lead there, every step with its cost."""
    show(page, "paths")
    page.locator(".choices button").nth(7).click()
    page.wait_for_function("() => location.hash.includes('to=')")
    page.wait_for_function(SETTLED)
    page.wait_for_function(
        "() => [...document.querySelectorAll('article .quiet')]"
        ".every((e) => e.textContent.includes('nats'))"
    )
    frames = page.locator("article[aria-label=VSC] .frames")
    assert frames.count() == 2
    assert frames.first.locator("li").count() == 11
    costs = frames.first.locator("small").all_inner_texts()[1:]
    assert all(re.fullmatch(r"[\d.]+(e-\d+)?", cost) for cost in costs), costs


def test_the_page_denoises_as_the_library_does(open_page, addresses):
    """The estimate of the single file, on its own numbers, against that of Python."""
    generator = torch.Generator().manual_seed(0)

    def draw(*shape):
        return torch.randn(shape, generator=generator)

    D, Q, K = 9, 3, 5
    levels = {
        f"{sigma}": Residuals(
            torch.stack([draw(K), *(0.2 + draw(3, K).abs()), 0.3 * torch.tanh(draw(K))]),
            draw(2, D, Q).half().float(),
            0.5 + draw(2, D).square(),
            torch.tensor(1.0),
        )
        for sigma in (0.1, 0.3, 0.5)
    }
    levels["0.1"] = replace(levels["0.1"], loadings=levels["0.3"].loadings)
    known = Denoiser(torch.linspace(-1, 1, K - 1), torch.tensor(0.0), levels)
    y, f, sigmas = draw(1, D), draw(1, D), 0.2 + 0.05 * draw(1, D)
    level = float(sigmas.square().mean().sqrt())
    near = replace(
        known._at(level, clipped=False),
        **{name: getattr(levels["0.3"], name) for name in ("loadings", "specific")},
    )
    curves = near.curves[:, torch.bucketize(f, known.edges)]
    expected = denoising._estimate(y, f, near, curves, sigmas / level)
    arrays = {
        **known.small(Q),
        "shift": np.full(D, 2.0, np.float32),
        "scale": np.full(D, 3.0, np.float32),
    }
    found = open_page(addresses["server"]).evaluate(
        """async ([levels, arrays, y, f, sigmas]) => {
            const { denoised } = await import("/denoiser.js");
            return [...denoised({ facts: { levels, unit: false }, arrays }, y, f, sigmas)];
        }""",
        [
            known.sigmas,
            {
                name: {"data": array.flatten().tolist(), "shape": array.shape}
                for name, array in arrays.items()
            },
            *((2 + 3 * part).flatten().tolist() for part in (y, f)),
            (3 * sigmas).flatten().tolist(),
        ],
    )
    np.testing.assert_allclose(found, 2 + 3 * expected[0].numpy(), rtol=5e-3, atol=5e-3)


def walk_noise(page):
    """The slider changes every picture; the baseline stands in the ranking."""
    show(page, "noise")
    page.wait_for_selector(".ranking h3")
    before = page.locator(".ranking").get_attribute("aria-label")
    page.locator("[aria-label='Strength of the noise']").fill("0.8")
    page.wait_for_function(
        "(b) => document.querySelector('.ranking').getAttribute('aria-label') !== b", arg=before
    )
    label = page.locator(".ranking").get_attribute("aria-label")
    assert all(name in label for name in ("PCA", "VAE", "VSC", "Noisy image"))
    assert all(f"{name}, denoised" in label for name in ("VAE", "VSC"))
    assert "sigma=0.8" in page.url


def walk_samples(page):
    """Draw again; with the gates of the chosen image; a sample becomes the chosen row."""
    show(page, "samples")
    sample = "article[aria-label=VSC] .samples canvas"
    page.wait_for_selector(sample)
    changes(page, sample, lambda: page.locator("button", has_text="Draw again").click())
    page.locator("button", has_text="Gates of the chosen").click()
    page.wait_for_selector("article[aria-label=VSC] >> text=gates open")
    page.locator("article[aria-label=VSC] .samples button").nth(2).click()
    page.wait_for_selector("main[data-shown=image]")
    assert page.locator(".row-name").inner_text() == "Sample 3 of VSC"


@pytest.mark.parametrize("kind", ["server", "single"])
def test_words_stand_out_controls_have_names_and_nothing_overflows(open_page, addresses, kind):
    page = open_page(addresses[kind])
    for view in VIEWS:
        show(page, view)
        for width in (1280, 390):
            page.set_viewport_size({"width": width, "height": 900})
            over = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            assert page.evaluate(over) == 0, (view, width)
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            assert page.evaluate(CONTRAST) == [], (view, scheme)
        assert page.evaluate(NAMELESS) == [], view
        assert page.evaluate("document.querySelectorAll('h2').length") >= 1
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert max(int(part) for part in re.findall(r"\d+", dark)) < 60


@pytest.mark.parametrize("kind", ["server", "single"])
def test_the_focus_goes_through_the_page_in_reading_order(open_page, addresses, kind):
    page = open_page(addresses[kind])
    stops = []
    for _ in range(30):
        page.keyboard.press("Tab")
        stops.append(
            page.evaluate(
                "() => { const e = document.activeElement; const b = e.getBoundingClientRect();"
                " return [e.closest('header, .menu, .source, main')?.className"
                " || e.closest('header, main')?.tagName || 'skip', e.textContent.slice(0, 20),"
                " b.width > 0]; }"
            )
        )
    order = [stop[0] for stop in stops]
    first = [order.index(part) for part in ("skip", "HEADER", "menu", "source", "MAIN")]
    assert first == sorted(first)
    assert all(stop[2] for stop in stops)


def test_five_clicks_are_enough_for_each_thing(open_page, addresses):
    """An image picked, a gate toggled, a dimension opened, a path drawn: from the first screen."""
    page = open_page(addresses["server"])
    vsc = "article[aria-label=VSC]"
    clicks = {}
    page.locator(".tiles button").nth(5).click()
    clicks["image"] = 1
    page.locator(f"{vsc} .bar").nth(2).click()
    page.wait_for_function("() => location.hash.includes('edit=')")
    clicks["gate"] = 1
    page.locator(".menu a", has_text="Dimensions").click()
    page.locator(f"{vsc} .lines a").first.click()
    page.wait_for_selector("h3:has-text('What it does')")
    clicks["dimension"] = 2
    page.locator(".menu a", has_text="Paths").click()
    page.locator(".choices button").nth(4).click()
    page.wait_for_function(SETTLED)
    clicks["path"] = 2
    assert max(clicks.values()) <= 5


def test_an_address_brings_everything_back(open_page, addresses):
    page = open_page(addresses["server"])
    page.evaluate("location.hash = '#/image?row=7&edit=r0:1!,2=0.5'")
    page.wait_for_function(
        "() => document.querySelector('.row-name').textContent.startsWith('Test image 8')"
    )
    key = page.locator("article").first.get_attribute("aria-label")
    bar = page.locator(f"article[aria-label={key}] [data-dimension='2']")
    assert "0.500" in bar.get_attribute("aria-valuetext")
    digest = page.evaluate(DIGEST, f"article[aria-label={key}] .stage canvas")
    page.reload()
    page.wait_for_selector("html[data-ready]")
    assert "0.500" in bar.get_attribute("aria-valuetext")
    assert page.evaluate(DIGEST, f"article[aria-label={key}] .stage canvas") == digest


@pytest.mark.parametrize("kind", ["server", "single"])
def test_draw_drop_and_save(open_page, addresses, kind, tmp_path):
    page = open_page(addresses[kind])
    page.keyboard.press("d")
    box = page.locator(".drawing").bounding_box()
    page.mouse.move(box["x"] + 140, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 140, box["y"] + 220, steps=6)
    page.mouse.up()
    page.locator("dialog[open] button", has_text="Done").click()
    page.wait_for_function(
        "() => document.querySelector('.row-name').textContent === 'Your drawing'"
    )
    assert 64 + 5 < page.evaluate(MEAN, ".source canvas.picture") < 120
    page.wait_for_function("() => location.hash.includes('own=')")
    assert len(page.url.split("own=")[1]) < 2000
    drawn = page.evaluate(DIGEST, ".source canvas.picture")
    page.reload()
    page.wait_for_selector("html[data-ready]")
    assert page.locator(".row-name").inner_text() == "The image of the link"
    assert page.evaluate(DIGEST, ".source canvas.picture") == drawn
    for cut in ("own=7d", "own=<b>", "own=" + "A" * 9000):
        page.evaluate("(cut) => { location.hash = `#/image?row=own&${cut}`; }", cut)
        page.wait_for_selector("#trouble:not([hidden])")
        assert "holds no row of these data" in page.locator("#trouble").inner_text()
        page.wait_for_function(
            "() => document.querySelector('.row-name').textContent.startsWith('Test image 1,')"
        )
        page.evaluate("document.getElementById('trouble').hidden = true")
    picture = tmp_path / "<img src=x onerror=alert(1)>.png"
    Image.fromarray(np.full((50, 40), 255, np.uint8)).save(picture)
    page.locator("input[type=file]").set_input_files(picture)
    page.wait_for_function(
        "() => document.querySelector('.row-name').textContent.startsWith('<img')"
    )
    assert page.evaluate(MEAN, ".source canvas.picture") == 255
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    page.locator("input[type=file]").set_input_files(broken)
    page.wait_for_selector("#trouble:not([hidden])")
    assert "cannot be read as an image" in page.locator("#trouble").inner_text()
    page.said = [text for text in page.said if "422" not in text]  # the browser's own line
    if kind == "single":
        table = {"name": "rows.csv", "mimeType": "text/csv", "buffer": b"1,2"}
        page.evaluate("document.getElementById('trouble').hidden = true")
        page.locator("input[type=file]").set_input_files(table)
        page.wait_for_selector("#trouble:not([hidden])")
        assert "Rows here are images" in page.locator("#trouble").inner_text()
    with page.expect_download() as download:
        page.locator("button", has_text="Save picture").click()
    saved = Image.open(download.value.path())
    assert saved.width > 1000
    assert len(saved.convert("L").getcolors(1 << 16)) > 20


def test_keys_reach_everything(open_page, addresses):
    page = open_page(addresses["server"])
    for number, view in enumerate(VIEWS, 1):
        page.keyboard.press(str(number))
        page.wait_for_selector(f"main[data-shown={view}]")
    page.keyboard.press("j")
    page.wait_for_function("() => location.hash.includes('row=1')")
    page.keyboard.press("?")
    assert page.locator("dialog[open]").get_attribute("aria-label") == "Keys"
    page.keyboard.press("Escape")
    page.locator("[aria-label='Light or dark']").click()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


@pytest.mark.parametrize("likelihood", ["poisson", "gaussian"])
def test_tables_and_counts_with_hostile_names(open_page, counts_run, measured_run, likelihood):
    run = counts_run if likelihood == "poisson" else measured_run
    process, address = served(run.path)
    try:
        page = open_page(address)
        assert page.locator(".column-box th").first.inner_text() == "<i>column 0</i>"
        before = page.locator("article .value").all_inner_texts()
        page.locator("article .bar").first.click()
        page.wait_for_function(
            "(b) => [...document.querySelectorAll('article .value')]"
            ".some((e, i) => e.textContent !== b[i])",
            arg=before,
        )
        for view in VIEWS[1:]:
            show(page, view)
        show(page, "dimensions")
        page.locator(".lines a").first.click()
        page.wait_for_selector("text=Change of each column")
        page.locator("button", has_text="Edit").click()
        page.locator(".numbers input").first.fill("3.5")
        page.locator("button", has_text="Use it").click()
        page.wait_for_function(
            "() => document.querySelector('.row-name').textContent === 'A row of your own'"
        )
        values = page.locator(".source .value").all_inner_texts()
        page.wait_for_function("() => location.hash.includes('own=')")
        page.reload()
        page.wait_for_selector("html[data-ready]")
        assert page.locator(".row-name").inner_text() == "The row of the link"
        assert page.locator(".source .value").all_inner_texts() == values
        assert page.locator("img, i[onerror]").count() == 0
        assert "<img src=x" in page.locator("select").all_inner_texts()[
            0
        ] + page.content().replace("&lt;", "<")
    finally:
        stop(process)


def test_without_the_token_there_is_a_sentence(browser, addresses):
    context = browser.new_context()
    page = context.new_page()
    page.goto(addresses["server"].split("#")[0])
    page.wait_for_selector("[role=alert]:visible")
    assert "token included" in page.locator("#app").inner_text()
    context.close()
