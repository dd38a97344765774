"""The report in a real browser: quiet, closed, readable light and dark, on phone and paper."""

import base64
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from itertools import pairwise

import pytest

from sparsevae import report
from sparsevae.runs.folder import RunFolder
from sparsevae.storage.files import read_json, write_json

pytestmark = pytest.mark.needs_browser

PAPER = 1032  # pixels between the margins of a page
SECONDS = 120  # for one answer, on a machine that does other things too
OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    "--remote-debugging-pipe",
)
# The browser reads commands from descriptor 3 and answers on 4.
LAUNCH = """
import os, sys
for place, given in zip((103, 104), sys.argv[1:3]):
    os.dup2(int(given), place)
os.dup2(103, 3)
os.dup2(104, 4)
os.execvp(sys.argv[3], sys.argv[3:])
"""
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


class Browser:
    """Chromium without a window, spoken to by its DevTools protocol over two pipes."""

    def __init__(self):
        self.profile = tempfile.TemporaryDirectory(prefix="sparsevae-browser-")
        names = ("chromium", "chromium-browser", "google-chrome")
        program = next(filter(None, map(shutil.which, names)))
        reading, self.commands = os.pipe()
        self.answers, writing = os.pipe()
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-c", LAUNCH, str(reading), str(writing)),
                *(program, *OPTIONS, f"--user-data-dir={self.profile.name}"),
            ],
            pass_fds=(reading, writing),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(reading)
        os.close(writing)
        self.count, self.rest, self.events, self.session = 0, b"", [], None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self.session = attached["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def close(self):
        os.close(self.commands)
        self.process.wait(SECONDS)
        os.close(self.answers)
        self.profile.cleanup()

    def call(self, method, **parameters):
        """The result of a command."""
        self.count += 1
        message = {"id": self.count, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.commands, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.next()
            if answer.get("id") == self.count:
                assert "error" not in answer, answer
                return answer["result"]
            self.events.append(answer)

    def next(self):
        """The next message."""
        end = time.monotonic() + SECONDS
        while b"\0" not in self.rest:
            ready, _, _ = select.select([self.answers], [], [], max(0, end - time.monotonic()))
            assert ready, "the browser says nothing"
            self.rest += os.read(self.answers, 1 << 20)
        first, self.rest = self.rest.split(b"\0", 1)
        return json.loads(first)

    def open(self, path, *, width=1280, dark=False, media=""):
        """Show a page, and forget what was said before."""
        phone = width < 600
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": phone}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", media=media, features=[scheme])
        self.events.clear()
        self.call("Page.navigate", url=path.as_uri())
        while not self.said("Page.loadEventFired"):
            self.events.append(self.next())

    def said(self, *methods):
        """What events of these kinds carried."""
        return [event["params"] for event in self.events if event.get("method") in methods]

    def value(self, script):
        """What a script in the page comes to."""
        found = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")


@pytest.fixture(scope="module")
def browser():
    found = Browser()
    yield found
    found.close()


def again(run, folder, seed):
    """The run with another seed, which says so."""
    shutil.copytree(run.path, folder)
    content = read_json(folder / "config.json")
    content["config"]["seed"] = seed
    write_json(folder / "config.json", content)
    write_json(folder / "metrics.json", {**run.metrics, "seed": seed, "mse": 0.06 + 0.001 * seed})
    return RunFolder(folder)


@pytest.fixture(scope="module")
def pages(tiny_run, tmp_path_factory):
    """A report of one study, and a page that compares two."""
    top = tmp_path_factory.mktemp("pages")
    studies = []
    for name, seeds in (("one", (0, 1)), ("other", (0,))):
        runs = [again(tiny_run, top / name / "runs" / f"seed{seed}", seed) for seed in seeds]
        studies.append(report.read(top / name, runs, {}))
    (top / "one" / "study.yaml").write_text("dataset: mnist-5k\n", encoding="utf-8")
    single = report.build(top / "one", studies[0].runs, {})
    return {"report": single, "comparison": report.compare(top / "both", studies)}


@pytest.fixture(params=["report", "comparison"])
def page(request, pages):
    return pages[request.param]


def test_the_page_asks_for_nothing_but_itself_and_is_quiet(browser, page):
    browser.open(page)
    asked = [event["request"]["url"] for event in browser.said("Network.requestWillBeSent")]
    assert [url for url in asked if not url.startswith("data:")] == [page.as_uri()]
    assert not browser.said(
        "Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown"
    )


def test_every_picture_is_drawn_and_has_words(browser, page):
    browser.open(page)
    pictures = browser.value(
        "[...document.images].map((i) => [i.complete, i.naturalWidth, i.width, i.alt.length])"
    )
    assert len(pictures) >= 6
    for complete, natural, width, words in pictures:
        assert complete
        assert natural >= width > 100
        assert words > 40


@pytest.mark.parametrize("width", [390, 768, 1280])
def test_only_boxes_scroll_sideways(browser, page, width):
    browser.open(page, width=width)
    over = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert browser.value(over) == 0
    assert browser.value("innerWidth") == width  # no phone has to zoom out


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_text_stands_out_from_its_ground(browser, page, dark):
    browser.open(page, dark=dark)
    browser.value("document.querySelectorAll('details').forEach((d) => { d.open = true })")
    ground = browser.value("getComputedStyle(document.body).backgroundColor")
    red, *_ = (int(part) for part in ground[4:-1].split(","))
    assert (red < 60) == dark
    assert browser.value(CONTRAST) == []


def test_paper_has_no_menu_and_every_number(browser, pages):
    browser.open(pages["report"], media="print", width=PAPER)
    wide = "[...document.querySelectorAll('.scroll')].filter((e) => e.scrollWidth > e.clientWidth)"
    assert browser.value(f"{wide}.length") == 0
    assert browser.value("document.querySelector('nav').offsetParent") is None
    content = base64.b64decode(browser.call("Page.printToPDF")["data"])
    assert content.startswith(b"%PDF")
    assert content.count(b"/Type /Page\n") + content.count(b"/Type /Page ") >= 3


def test_a_picture_grows_when_it_is_pressed(browser, pages):
    browser.open(pages["report"])
    width = "document.querySelector('.cards .paper img').getBoundingClientRect().width"
    before = browser.value(width)
    browser.value("document.querySelector('.cards .paper input').click()")
    assert browser.value(width) > 1.3 * before


def test_headings_step_down_and_tables_have_names(browser, page):
    browser.open(page)
    levels = browser.value(
        "[...document.querySelectorAll('h1,h2,h3,h4')].map((h) => +h.tagName[1])"
    )
    assert levels[0] == 1
    assert max(b - a for a, b in pairwise(levels)) <= 2
    unnamed = browser.value(
        "[...document.querySelectorAll('[tabindex=\"0\"]:not(pre)')]"
        ".filter((e) => !e.getAttribute('aria-label')).length"
    )
    assert unnamed == 0
