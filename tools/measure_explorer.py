"""Measure the explorer: until it can be used, frames a second, pointer to picture.

    python tools/measure_explorer.py STUDY [single.html]

Needs Playwright and a Chromium. Frames are counted by requestAnimationFrame while a bar is dragged
or a plane is crossed by 180 moves of the pointer; "pointer to picture" is the time from a move to
the next change of the decoded picture.
"""

import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

MOVES = 180
WATCH = """(selector) => {
  const canvas = document.querySelector(selector);
  const pen = canvas.getContext("2d");
  const put = pen.putImageData.bind(pen);
  const seen = { frames: 0, delays: [], start: performance.now(), moved: 0 };
  window.seen = seen;
  pen.putImageData = (...all) => {
    put(...all);
    if (seen.moved) requestAnimationFrame(() => {
      if (seen.moved) seen.delays.push(performance.now() - seen.moved);
      seen.moved = 0;
    });
  };
  const moved = () => { seen.moved = seen.moved || performance.now(); };
  window.addEventListener("pointermove", moved, true);
  const tick = () => { seen.frames += 1; requestAnimationFrame(tick); };
  requestAnimationFrame(tick);
}"""


def measured(page: Page, canvas: str, act) -> str:
    page.evaluate(WATCH, canvas)
    act()
    found = page.evaluate(
        "() => ({...window.seen, seconds: (performance.now() - seen.start) / 1000})"
    )
    delays = found["delays"]
    rate, delay = found["frames"] / found["seconds"], statistics.median(delays)
    return f"{rate:.0f} frames a second, {delay:.0f} ms to the picture ({len(delays)} pictures)"


def drag(page: Page) -> None:
    box = page.locator("article .bar").first.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + 50
    page.mouse.move(x, y)
    page.mouse.down()
    for step in range(MOVES):
        page.mouse.move(x, y - 40 + abs(step % 80 - 40))
    page.mouse.up()


def cross(page: Page) -> None:
    box = page.locator("article .plane").first.bounding_box()
    for step in range(MOVES):
        page.mouse.move(box["x"] + 20 + (step * 7) % 280, box["y"] + 30 + step)


def report(browser, title: str, address: str, started: float | None = None) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    start = time.perf_counter()
    page.goto(address)
    page.wait_for_selector("html[data-ready]")
    print(f"{title}: usable {time.perf_counter() - start:.1f} s after opening")
    print(f"{title}, drag: {measured(page, 'article .stage canvas', lambda: drag(page))}")
    page.locator(".menu a").nth(1).click()
    page.wait_for_selector("main[data-shown=plane]")
    page.wait_for_timeout(1500)
    print(f"{title}, plane: {measured(page, 'article .beside canvas', lambda: cross(page))}")
    context.close()


def main() -> None:
    study, *single = sys.argv[1:]
    command = [sys.executable, "-m", "sparsevae", "explore", study, "--no-browser"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    address = server.stdout.readline().split()[1]
    program = next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome")))
    )
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=program, args=["--no-sandbox"])
        report(browser, "server", address)
        for path in single:
            print(f"single file: {Path(path).stat().st_size / 2**20:.1f} MiB")
            report(browser, "single file", Path(path).absolute().as_uri())
        browser.close()
    server.terminate()


if __name__ == "__main__":
    main()
