"""The explorer as a page of its own (`make app`), driven as a visitor would."""

import io
import re
import statistics
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser.conftest import BIN, ROOT, free_port, open_when_up, serving
from tests.browser.explorer_page import ExplorerPage

Shot = Callable[[Page, str], None]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The very command of `make app`, at a free port."""
    recipe = subprocess.run(
        ["make", "-n", "-o", "setup", "app"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    command = [line for line in recipe.splitlines() if "voila" in line][-1]
    assert "--Voila.ip=127.0.0.1" in command
    port, log = free_port(), tmp_path_factory.mktemp("voila") / "log"
    command = command.replace(".venv/bin/voila", str(BIN / "voila"))
    with serving(["bash", "-c", f"exec env {command} --no-browser --port={port}"], log):
        yield f"http://127.0.0.1:{port}/", log


@pytest.fixture(scope="module")
def opened(page: Page, address: tuple[str, Path], screenshot: Shot) -> ExplorerPage:
    open_when_up(page, *address)
    explorer = ExplorerPage(page)
    page.wait_for_timeout(500)
    screenshot(page, "page_1_opened")
    return explorer


def test_the_page_opens_with_photographs_and_the_heat_moves_to_what_is_chosen(
    opened: ExplorerPage, page: Page, screenshot: Shot
) -> None:
    assert opened.captions()[1] == "Grad-CAM for tabby"
    chosen = page.get_by_label("Class", exact=True).last
    moved = opened.after(lambda: chosen.select_option(index=2))
    assert opened.captions()[1] == "Grad-CAM for missile"
    assert "Measured against: missile" in opened.numbers()[1]
    screenshot(page, "page_1_photographs")
    alone = opened.after(page.locator("button.xai-thumb").nth(2).click)
    assert alone[0] != moved[0]
    assert opened.captions()[1] == "Grad-CAM for espresso"


@pytest.fixture
def explorer(opened: ExplorerPage) -> ExplorerPage:
    opened.reset()
    return opened


def picture_file(side: int = 300) -> bytes:
    board = np.kron(np.indices((6, 6)).sum(axis=0) % 2, np.ones((side // 6, side // 6)))
    buffer = io.BytesIO()
    Image.fromarray((255 * board).astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def huge_file() -> bytes:
    """A small file of 64 million pixels."""
    buffer = io.BytesIO()
    Image.new("1", (8000, 8000)).save(buffer, "PNG")
    return buffer.getvalue()


def test_a_visitor_changes_class_layer_network_and_method(
    explorer: ExplorerPage, page: Page, screenshot: Shot
) -> None:
    image, *maps = explorer.pictures()
    numbers = explorer.numbers()
    assert len(maps) == 3
    assert explorer.captions()[1] == "Grad-CAM for Mild"

    dragged = explorer.after(lambda: explorer.drag("Class", 1.0))
    screenshot(page, "page_2_class_dragged")
    assert dragged[0] == image
    assert not set(dragged[1:]) & set(maps)
    assert explorer.captions()[1] == "Grad-CAM for Proliferative DR"
    assert explorer.numbers()[1] != numbers[1]

    explorer.drag("Class", 0.25)
    expect(page.locator("figcaption").nth(1)).to_have_text("Grad-CAM for Mild")
    assert explorer.pictures() == [image, *maps], "the same choice gives the same bytes"

    finer = explorer.after(lambda: explorer.dropdown("Layer").select_option(index=3))
    screenshot(page, "page_3_layer")
    assert finer[0] == image
    assert finer[1:] != maps

    other = explorer.after(lambda: explorer.dropdown("Network").select_option("fundus · vgg19"))
    screenshot(page, "page_4_network")
    assert other[0] == image
    assert not set(other[1:]) & set(finer[1:])
    assert page.locator(".xai-chosen").all_inner_texts() == ["2"]
    assert explorer.numbers()[0] != numbers[0]

    more = explorer.after(lambda: page.get_by_label("LayerCAM").check())
    assert more[:4] == other
    assert explorer.captions()[4].startswith("LayerCAM")


def test_another_network_brings_its_own_pictures_and_classes(
    explorer: ExplorerPage, page: Page, screenshot: Shot
) -> None:
    before = explorer.pictures()
    chest = explorer.after(
        lambda: explorer.dropdown("Network").select_option("chest_xray · densenet121")
    )
    screenshot(page, "page_5_chest")
    assert chest[0] != before[0]
    assert "Viral Pneumonia" in explorer.numbers()[0]
    thumb = page.locator("button.xai-thumb").nth(4)
    assert explorer.after(thumb.click)[0] != chest[0]
    assert "xai-chosen" in (thumb.get_attribute("class") or "")


def test_a_question_can_be_turned_round(explorer: ExplorerPage, page: Page) -> None:
    asked = explorer.pictures()
    against = explorer.after(page.get_by_role("button", name="counterfactual").click)
    assert against[1:] != asked[1:]
    assert (
        explorer.captions()[1].startswith("Grad-CAM against")
        or "no positive" in (explorer.captions()[1])
    )
    explorer.after(page.get_by_role("button", name="difference").click)
    assert re.search(r"for Mild rather than \w+", explorer.captions()[1])
    explorer.after(lambda: explorer.dropdown("rather than").select_option("No DR"))
    assert explorer.captions()[1] == "Grad-CAM for Mild rather than No DR"


def test_an_uploaded_picture_is_explained_and_a_broken_file_is_answered(
    explorer: ExplorerPage, page: Page, screenshot: Shot
) -> None:
    opened = explorer.pictures()
    mine = explorer.after(lambda: explorer.upload("board.png", picture_file()))
    assert mine[0] != opened[0]
    assert explorer.captions()[0].startswith("board.png")
    assert "nothing to measure" in page.locator("body").inner_text()
    expect(explorer.notice()).to_contain_text("grey")
    screenshot(page, "page_6_upload")
    broken = {
        "cut.png": picture_file()[:200],
        "note.png": b"no picture at all",
        "huge.png": huge_file(),
    }
    words = {"cut.png": "cut off or damaged", "note.png": "not an image", "huge.png": "8000 x 8000"}
    for name, content in broken.items():
        explorer.upload(name, content)
        expect(explorer.notice()).to_contain_text(name)
        expect(explorer.notice()).to_contain_text(words[name])
        assert explorer.notice().get_attribute("role") == "alert"
    screenshot(page, "page_7_broken_file")
    assert explorer.pictures() == mine, "what was shown stays"
    explorer.after(page.locator("button.xai-thumb").nth(5).click)
    assert explorer.notice().count() == 0


def test_keys_move_a_slider_and_the_last_position_is_what_is_shown(
    explorer: ExplorerPage, page: Page
) -> None:
    page.evaluate(
        """() => { window.drawn = 0; new MutationObserver(() => window.drawn++).observe(
            document.querySelector('.xai-figures').closest('.widget-html-content'),
            {childList: true}); }"""
    )
    explorer.handle("Class").focus()
    pressed = 30
    for press in range(pressed):
        page.keyboard.press("ArrowRight" if press % 8 < 4 else "ArrowLeft")
    page.keyboard.press("Home")
    expect(page.locator("figcaption").nth(1)).to_have_text("Grad-CAM for No DR", timeout=10_000)
    page.wait_for_timeout(1000)
    assert explorer.captions()[1] == "Grad-CAM for No DR"
    assert 1 <= page.evaluate("window.drawn") <= pressed + 1


def test_an_update_arrives_before_a_person_waits(explorer: ExplorerPage, page: Page) -> None:
    explorer.handle("Opacity").focus()
    wait = """previous => new Promise(done => { const start = performance.now();
        const look = () => document.querySelectorAll('.xai-figures img')[1].src != previous
            ? done(performance.now() - start) : requestAnimationFrame(look); look(); })"""
    times = []
    for step in range(30):
        previous = page.locator(".xai-figures img").nth(1).get_attribute("src")
        page.keyboard.press("ArrowLeft" if step < 10 or step % 2 else "ArrowRight")
        times.append(page.evaluate(wait, previous))
    print(f"median {statistics.median(times):.0f} ms, largest {max(times):.0f} ms, n = 30")
    assert statistics.median(times) < 500  # 150 on idle cores; tests share theirs


def test_a_finding_can_be_saved(explorer: ExplorerPage, page: Page, tmp_path: Path) -> None:
    page.get_by_role("button", name="PNG and CSV").click()
    for ending, start in ((".png", b"\x89PNG"), (".csv", b"image,origin,truth,network")):
        with page.expect_download() as waiting:
            page.get_by_role("link", name=re.compile(re.escape(ending))).click()
        waiting.value.save_as(tmp_path / f"saved{ending}")
        assert (tmp_path / f"saved{ending}").read_bytes().startswith(start)


def test_everything_has_a_name_for_those_who_do_not_see_it(
    explorer: ExplorerPage, page: Page, screenshot: Shot
) -> None:
    assert page.locator("img:not([alt]), img[alt='']").count() == 0
    assert "heat map for Mild, layer last" in (
        page.locator(".xai-figures img").nth(1).get_attribute("alt") or ""
    )
    for name in ("Network", "Layer", "Colours", "Grad-CAM", "box", "outlines"):
        assert page.get_by_label(name, exact=True).count() == 1, name
    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_timeout(300)
    screenshot(page, "page_8_phone")
    width = page.evaluate("document.documentElement.scrollWidth")
    page.set_viewport_size({"width": 1440, "height": 1000})
    assert width <= 390
