"""The static site: it builds without a warning, its links hold, nothing comes from elsewhere."""

import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
LOADS = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src"}
pytestmark = pytest.mark.slow


class Page(HTMLParser):
    """What a page loads, where its links lead, and which anchors it has."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attributes}
        self.anchors |= {found[name] for name in ("id", "name") if name in found}
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        if tag in LOADS and found.get(LOADS[tag]):
            self.loads.append(found[LOADS[tag]])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-c", "docs"]
    command += ["-t", "browser"]
    command += ["-d", str(folder / "doctrees"), ".", str(folder / "html")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (folder / "html" / "browser").mkdir()  # `make site` builds the browser page there
    (folder / "html" / "browser" / "index.html").write_text("<!doctype html><title>page</title>")
    return folder / "html"


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    return {path: Page(path) for path in sorted(site.rglob("*.html"))}


def local(page: Path, address: str) -> tuple[Path, str] | None:
    parts = urlsplit(address)
    if parts.scheme or parts.netloc:
        return None
    path = (page.parent / unquote(parts.path)).resolve() if parts.path else page
    return path, unquote(parts.fragment)


def test_every_chapter_has_its_page(site: Path) -> None:
    chapters = {path.stem for path in (ROOT / "notebooks").glob("[0-9]*.ipynb")}
    assert chapters
    assert chapters <= {path.stem for path in (site / "notebooks").glob("*.html")}
    assert (site / "index.html").exists()


def test_the_line_below_a_chapters_title_is_read_as_markdown(site: Path) -> None:
    text = (site / "notebooks" / "05_grad_cam.html").read_text(encoding="utf-8")
    assert "Reading about" in text
    assert "*Reading about" not in text


def test_the_first_page_holds_the_browser_page(site: Path, pages: dict[Path, Page]) -> None:
    assert "../browser/index.html" in pages[site / "docs" / "index.html"].loads


def test_nothing_is_loaded_from_another_host(pages: dict[Path, Page]) -> None:
    loads = {address for page in pages.values() for address in page.loads}
    assert [a for a in loads if urlsplit(a).scheme in ("http", "https") or a[:2] == "//"] == []


def test_every_link_and_picture_within_the_site_exists(pages: dict[Path, Page]) -> None:
    def broken() -> Iterator[str]:
        for path, page in pages.items():
            for address in [*page.links, *page.loads]:
                target = local(path, address)
                if target is None:
                    continue
                file, anchor = target
                source = "_modules" in path.parts  # viewcode links back to names, wherever they are
                known = pages[file].anchors if file in pages and not source else {anchor}
                if not file.exists() or (anchor and anchor not in known):
                    yield f"{path.name}: {address}"

    assert list(broken()) == []


def test_every_stored_picture_is_shown(pages: dict[Path, Page]) -> None:
    stored = {
        data[kind].replace("\n", "")
        for path in (ROOT / "notebooks").glob("[0-9]*.ipynb")
        for cell in nbformat.read(path, 4).cells
        for data in (output.get("data", {}) for output in cell.get("outputs", []))
        for kind in data
        if kind in ("image/png", "image/jpeg")
    }
    chapters = [page for path, page in pages.items() if path.parent.name == "notebooks"]
    shown = {address for page in chapters for address in page.loads if "/_images/" in address}
    assert len(shown) >= len(stored) > 0
