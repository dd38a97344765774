"""Dead links in a built site, and files that a page would fetch from elsewhere.

    python tools/check_site.py docs/_build/html

Links to other sites are counted and not followed.
"""

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

PROGRAM = "live_explorer.html"  # its script makes its places, its own policy forbids to fetch
RESOURCES = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href"}


class Page(HTMLParser):
    """Anchors of a page, the links on it, and what it loads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors, self.links, self.resources = set[str](), list[str](), list[str]()
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Take what counts from an opening tag."""
        given = {name: value or "" for name, value in attributes}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if (where := given.get(RESOURCES.get(tag, ""))) and given.get("rel") != "canonical":
            self.resources.append(where)


def is_elsewhere(link: str) -> bool:
    """Whether a link leaves the site."""
    parts = urlsplit(link)
    return bool(parts.netloc) or parts.scheme in ("http", "https", "mailto")


def problems(site: Path) -> list[str]:
    """What is wrong, one sentence each."""
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in site.rglob("*.html")}
    wrong = []
    for path, page in pages.items():
        if path.name == PROGRAM:
            continue
        name = path.relative_to(site)
        fetched = [where for where in page.resources if is_elsewhere(where)]
        wrong += [f"{name} fetches {where}" for where in fetched]
        for link in [*page.links, *page.resources]:
            if is_elsewhere(link) or link.startswith(("data:", "javascript:")):
                continue
            parts = urlsplit(link)
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            place = unquote(parts.fragment)
            if not target.exists():
                wrong.append(f"{name} links to {link}, which is not there")
            elif place and target in pages and place not in pages[target].anchors:
                wrong.append(f"{name} links to {link}, which has no such place")
    return wrong


def main() -> None:
    """Print every problem; the exit status is 1 if there is one."""
    site = Path(sys.argv[1]).resolve()
    lines = problems(site)
    print("\n".join(lines) or f"{site.name}: no dead link, nothing fetched from elsewhere")
    sys.exit(bool(lines))


if __name__ == "__main__":
    main()
