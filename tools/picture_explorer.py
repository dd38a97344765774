"""Draw the explorer's pictures for README and docs: two screenshots and a short animation.

    python tools/picture_explorer.py STUDY

Writes docs/images/explorer.gif, explorer-plane.png and explorer-dimension.png.
"""

import io
import shutil
import subprocess
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

IMAGES = Path(__file__).parents[1] / "docs" / "images"
WIDTH, HEIGHT = 1240, 800
SMALL = (800, 516)
COLOURS = 255


class Film:
    """Frames of a page, each with how long it stays."""

    def __init__(self, page: Page) -> None:
        self.page, self.frames = page, []

    def shoot(self, milliseconds: int = 120) -> None:
        """Take a frame."""
        raw = Image.open(io.BytesIO(self.page.screenshot())).convert("RGB")
        self.frames.append((raw.resize(SMALL, Image.Resampling.LANCZOS), milliseconds))

    def save(self, path: Path) -> None:
        """Write the animation with one palette for all frames."""
        whole = Image.new("RGB", (SMALL[0], SMALL[1] * 2))
        whole.paste(self.frames[0][0], (0, 0))
        whole.paste(self.frames[-1][0], (0, SMALL[1]))
        palette = whole.quantize(COLOURS, dither=Image.Dither.NONE)
        images = [f.quantize(palette=palette, dither=Image.Dither.NONE) for f, _ in self.frames]
        times = [time for _, time in self.frames]
        images[0].save(
            path, save_all=True, append_images=images[1:], duration=times, loop=0, optimize=True
        )


def film_code(page: Page, film: Film) -> None:
    """Another image, gates switched, a value dragged."""
    film.shoot(900)
    page.locator(".tiles button").nth(5).click()
    page.wait_for_timeout(500)
    film.shoot(900)
    card = "article[aria-label=VSC]"
    for place in range(3):
        page.locator(f"{card} .bar.open").nth(place).click()
        page.wait_for_timeout(350)
        film.shoot(450)
    page.locator(f"{card} button", has_text="Reset").click()
    page.wait_for_timeout(350)
    film.shoot(450)
    box = page.locator(f"{card} .bar.open").nth(1).bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + 55
    page.mouse.move(x, y)
    page.mouse.down()
    for offset in (*range(0, 48, 6), *range(48, -48, -6), *range(-48, 1, 8)):
        page.mouse.move(x, y - offset)
        page.wait_for_timeout(120)
        film.shoot(70)
    page.mouse.up()


def film_plane(page: Page, film: Film) -> None:
    """A walk over the plane."""
    page.locator(".menu a", has_text="Plane").click()
    page.wait_for_timeout(2500)
    page.evaluate("window.scrollTo(0, 0)")
    box = page.locator("article[aria-label=VAE] .plane").bounding_box()
    for step in range(16):
        place = step / 15
        page.mouse.move(
            box["x"] + box["width"] * (0.12 + 0.76 * place),
            box["y"] + box["height"] * (0.85 - 2.4 * place * (1 - place)),
        )
        page.wait_for_timeout(150)
        film.shoot(110)
    film.shoot(900)


def main() -> None:
    command = [sys.executable, "-m", "sparsevae", "explore", sys.argv[1], "--no-browser"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    address = server.stdout.readline().split()[1]
    program = next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome")))
    )
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=program, args=["--no-sandbox"])
        size = {"width": WIDTH, "height": HEIGHT}
        page = browser.new_context(viewport=size).new_page()
        page.goto(address)
        page.wait_for_selector("html[data-ready]")
        page.wait_for_timeout(800)
        film = Film(page)
        film_code(page, film)
        film_plane(page, film)
        film.save(IMAGES / "explorer.gif")
        page.screenshot(path=IMAGES / "explorer-plane.png")
        page.emulate_media(color_scheme="dark")
        page.locator(".menu a", has_text="Dimensions").click()
        page.locator("article[aria-label=VSC] .lines a").first.click()
        page.wait_for_timeout(1500)
        page.screenshot(path=IMAGES / "explorer-dimension.png")
        browser.close()
    server.terminate()


if __name__ == "__main__":
    main()
