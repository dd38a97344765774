"""The report in a real browser: quiet, closed, readable light and dark, on phone and paper."""

import shutil
from itertools import pairwise

import pytest

from sparsevae import report
from sparsevae.storage.files import read_json, write_json

pytestmark = pytest.mark.needs_browser

PAPER = 1032  # pixels between the margins of a page
PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
CONTRAST = """
(() => {
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
  const ratio = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  const poor = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
    if (!own || !element.offsetParent) continue;
    const ink = light(numbers(getComputedStyle(element).color));
    const found = ratio(ink, light(ground(element)));
    if (found < 4.5) poor.push(`${element.tagName} ${element.className} ${found.toFixed(2)}`);
  }
  return [...new Set(poor)];
})()
"""


@pytest.fixture(scope="module")
def browser():
    """The system's Chromium without a window."""
    from playwright.sync_api import sync_playwright

    program = next(filter(None, map(shutil.which, PROGRAMS)))
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture
def show(browser):
    """A function that opens a page and gives it, with what it asked for and said."""
    contexts = []

    def opened(path, *, width=1280, dark=False, media="screen", unfolded=True):
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme="dark" if dark else "light",
            is_mobile=width < 600,
        )
        contexts.append(context)
        tab = context.new_page()
        tab.asked, tab.said = [], []
        tab.on("request", lambda request: tab.asked.append(request.url))
        tab.on("console", lambda message: tab.said.append(message.text))
        tab.on("pageerror", lambda error: tab.said.append(str(error)))
        tab.emulate_media(media=media)
        tab.goto(path.as_uri())
        if unfolded:
            tab.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true })")
        return tab

    yield opened
    for context in contexts:
        context.close()


def again(run, folder, seed):
    """The run with another seed, which says so."""
    shutil.copytree(run.path, folder)
    content = read_json(folder / "config.json")
    content["config"]["seed"] = seed
    write_json(folder / "config.json", content)
    write_json(folder / "metrics.json", {**run.metrics, "seed": seed, "mse": 0.06 + 0.001 * seed})


@pytest.fixture(scope="module")
def pages(tiny_run, tmp_path_factory):
    """A report of one study, and a page that compares two."""
    top = tmp_path_factory.mktemp("pages")
    for name, seeds in (("one", (0, 1)), ("other", (0,))):
        for seed in seeds:
            again(tiny_run, top / name / "runs" / f"seed{seed}", seed)
    (top / "one" / "study.yaml").write_text("dataset: mnist-5k\n", encoding="utf-8")
    single = report.write_report(top / "one")
    both = report.write_comparison([top / "one", top / "other"], top / "both")
    return {"report": single, "comparison": both}


@pytest.fixture(params=["report", "comparison"])
def page(request, pages):
    return pages[request.param]


def test_the_page_asks_for_nothing_but_itself_and_is_quiet(show, page):
    tab = show(page)
    assert [url for url in tab.asked if not url.startswith("data:")] == [page.as_uri()]
    assert not tab.said


def test_every_picture_is_drawn_and_has_words(show, page):
    pictures = show(page).evaluate(
        "[...document.images].map((i) => [i.complete, i.naturalWidth, i.width, i.alt.length])"
    )
    assert len(pictures) >= 5
    for complete, natural, width, words in pictures:
        assert complete
        assert natural >= width > 100
        assert words > 40


def test_scores_are_on_the_first_screen_and_pictures_on_the_second(show, pages):
    tab = show(pages["report"], unfolded=False)
    top = "document.querySelector('{}').getBoundingClientRect().top"
    assert tab.evaluate(top.format("#scores tbody")) < 700
    assert tab.evaluate(top.format("figure img")) < 1800


@pytest.mark.parametrize("width", [390, 768, 1280])
def test_only_boxes_scroll_sideways(show, page, width):
    tab = show(page, width=width)
    over = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert tab.evaluate(over) == 0
    assert tab.evaluate("innerWidth") == width  # no phone has to zoom out


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_text_stands_out_from_its_ground(show, page, dark):
    tab = show(page, dark=dark)
    ground = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    red, *_ = (int(part) for part in ground[4:-1].split(","))
    assert (red < 60) == dark
    assert tab.evaluate(CONTRAST) == []


def test_paper_has_no_menu_and_every_number(show, pages):
    tab = show(pages["report"], media="print", width=PAPER, unfolded=False)
    wide = "[...document.querySelectorAll('.scroll')].filter((e) => e.scrollWidth > e.clientWidth)"
    assert tab.evaluate(f"{wide}.length") == 0
    assert tab.evaluate("document.querySelector('nav').offsetParent") is None
    content = tab.pdf()
    assert content.startswith(b"%PDF")
    assert content.count(b"/Type /Page\n") + content.count(b"/Type /Page ") >= 3


def test_a_picture_grows_when_it_is_pressed(show, pages):
    tab = show(pages["report"])
    width = "document.querySelector('.cards .paper img').getBoundingClientRect().width"
    before = tab.evaluate(width)
    tab.evaluate("document.querySelector('.cards .paper input').click()")
    assert tab.evaluate(width) > 1.3 * before


def test_headings_step_down_and_tables_have_names(show, page):
    tab = show(page)
    levels = tab.evaluate(
        "[...document.querySelectorAll('h1,h2,h3,h4')].map((h) => +h.tagName[1])"
    )
    assert levels[0] == 1
    assert max(b - a for a, b in pairwise(levels)) <= 2
    unnamed = tab.evaluate(
        "[...document.querySelectorAll('[tabindex=\"0\"]:not(pre)')]"
        ".filter((e) => !e.getAttribute('aria-label')).length"
    )
    assert unnamed == 0
