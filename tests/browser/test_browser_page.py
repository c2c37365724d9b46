"""The page without a server: its maps are `explain`'s, it follows the reader, nothing leaves."""

import base64
import io
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from playwright.sync_api import Browser, Page

from tests.browser.conftest import BIN, ROOT, free_port, open_when_up, serving
from xaihelpers.cams import explain_classes
from xaihelpers.networks.export import export
from xaihelpers.run.export import open_network

sys.path.insert(0, str(ROOT / "apps" / "browser"))
import build  # noqa: E402

pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.filterwarnings("ignore"),  # torch's exporter warns of its own past
]
TOLERANCE = 1e-2  # of the map's largest value, for weights stored in fp16
EXACT = 1e-3  # the same for float32
MAPS = """async (exact) => {
  const { state } = await import("./main.js");
  const { Network } = await import("./network.js");
  if (exact && !globalThis.exact) {
    globalThis.exact = new Network(() => {});
    await globalThis.exact.load({ ...state.card, file: "networks/exact.onnx", bytes: 2e7 });
  }
  const result = exact ? await globalThis.exact.run(state.pixels, state.side) : state.result;
  const cells = result.rows * result.columns;
  const wanted = state.order.slice(0, 3);
  return {
    side: state.side, classes: wanted, rows: result.rows,
    pixels: btoa(Array.from(state.pixels, (value) => String.fromCharCode(value)).join("")),
    maps: wanted.map((c) => Array.from(result.maps.slice(c * cells, (c + 1) * cells))),
  };
}"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The page below a sub-path of a plain static server, as project pages are served."""
    folder = tmp_path_factory.mktemp("served")
    build.build(folder / "project" / "browser")
    model, card = open_network("imagenet")
    export(model, card, folder / "project" / "browser" / "networks" / "exact.onnx", "fp32")
    port = free_port()
    command = [str(BIN / "python"), "-m", "http.server", str(port), "--bind", "127.0.0.1"]
    with serving([*command, "-d", str(folder)], folder / "log"):
        yield f"http://127.0.0.1:{port}/project/browser/"


@pytest.fixture(scope="module")
def opened(page: Page, address: str, tmp_path_factory: pytest.TempPathFactory) -> Page:
    open_when_up(page, address, tmp_path_factory.mktemp("log") / "log")
    page.wait_for_selector("#save:not([disabled])")
    return page


def choose(page: Page, network: str, number: int) -> None:
    if page.input_value("#network") != network:
        page.select_option("#network", network)
        page.wait_for_selector("#network:not([disabled])")
    before = page.evaluate("async () => (await import('./main.js')).state.turn ?? 0")
    page.locator("#gallery button").nth(number).click()
    for _ in range(600):
        if page.evaluate("async () => (await import('./main.js')).state.turn ?? 0") > before:
            return
        page.wait_for_timeout(100)
    pytest.fail("the page never answered")


def worst_difference(shown: dict, network: str) -> float:
    """Between the page's class maps and `explain_classes` of the very same pixels."""
    side = shown["side"]
    rgba = np.frombuffer(base64.b64decode(shown["pixels"]), np.uint8).reshape(side, side, 4)
    model, card = open_network(network)
    rgb = torch.tensor(rgba[..., :3].copy()).permute(2, 0, 1)[None].float() / 255
    mean, std = (torch.tensor(x).view(1, 3, 1, 1) for x in (card.mean, card.std))
    explained = explain_classes(model, (rgb - mean) / std, card.layer, classes=shown["classes"])
    ours = explained.raw["grad_cam"][0].numpy() * shown["rows"] ** 2
    theirs = np.array(shown["maps"]).reshape(ours.shape)
    return float((abs(ours - theirs).max(axis=(1, 2)) / abs(ours).max(axis=(1, 2))).max())


def test_the_maps_of_twenty_pictures_are_explains(opened: Page) -> None:
    worst, exact = [], []
    for network, name in (("imagenet", "imagenet"), ("fundus", "fundus:efficientnet_b0")):
        choose(opened, network, 0)
        for number in range(opened.locator("#gallery button").count()):
            choose(opened, network, number)
            worst.append(worst_difference(opened.evaluate(MAPS, False), name))
            if network == "imagenet":
                exact.append(worst_difference(opened.evaluate(MAPS, True), name))
    choose(opened, "imagenet", 1)
    opened.select_option("#side", "320")
    opened.wait_for_timeout(3000)
    worst.append(worst_difference(opened.evaluate(MAPS, False), "imagenet"))
    assert len(worst) >= 20
    assert max(worst) <= TOLERANCE
    assert len(exact) >= 10
    assert max(exact) <= EXACT


def test_the_heat_follows_the_question(opened: Page) -> None:
    choose(opened, "imagenet", 0)
    places = []
    for number in range(4):
        opened.locator("#questions button").nth(number).click()
        places.append(str(opened.get_attribute("#stage", "aria-label")).split(": ")[1])
    for place, corner in zip(
        places, ("upper left", "upper right", "lower left", "lower right"), strict=True
    ):
        assert place.split(",")[0].endswith(corner)


def test_a_class_is_found_by_a_part_of_its_name_and_an_unknown_one_is_said(opened: Page) -> None:
    choose(opened, "imagenet", 1)
    opened.fill("#search", "egyptian")
    opened.press("#search", "Enter")
    assert "Egyptian cat" in str(opened.text_content("#asked"))
    opened.fill("#search", "no such thing")
    opened.press("#search", "Enter")
    assert "no class" in str(opened.text_content("#problem"))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("broken.jpg", b"\xff\xd8\xff\xe0 no picture", "is not a picture"),
        ("empty.png", b"", "is empty"),
        ("phone.heic", b"\x00\x00\x00\x18ftypheic" + bytes(40), "HEIC"),
        ("notes.txt", b"words", "is not a picture"),
    ],
)
def test_a_bad_file_is_one_sentence(opened: Page, name: str, content: bytes, said: str) -> None:
    kind = "image/jpeg"
    opened.set_input_files("#file", {"name": name, "mimeType": kind, "buffer": content})
    opened.wait_for_selector("#problem:not([hidden])")
    text = str(opened.text_content("#problem"))
    assert said in text
    assert name in text


def test_a_readers_own_picture_is_turned_as_its_camera_says(opened: Page) -> None:
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[:32] = (255, 0, 0)  # red above, in the file; the camera was turned by a half
    turned, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 3
    Image.fromarray(pixels).save(turned, "JPEG", exif=exif, quality=95)
    file = {"name": "own.jpg", "mimeType": "image/jpeg", "buffer": turned.getvalue()}
    opened.set_input_files("#file", file)
    opened.wait_for_selector("#stage[aria-label^='own.jpg']")
    shown = opened.evaluate(MAPS, False)
    rgba = np.frombuffer(base64.b64decode(shown["pixels"]), np.uint8).reshape(224, 224, 4)
    assert rgba[20, 112, 0] < 50
    assert rgba[200, 112, 0] > 200


def test_the_page_works_without_a_network_after_the_first_visit(opened: Page, address: str) -> None:
    opened.evaluate("async () => { await navigator.serviceWorker.ready; }")
    for _ in range(100):
        if opened.evaluate("async () => (await caches.keys()).length > 0"):
            break
        opened.wait_for_timeout(100)
    opened.wait_for_timeout(3000)
    opened.context.set_offline(True)
    try:
        opened.reload()
        opened.wait_for_selector("#save:not([disabled])")
    finally:
        opened.context.set_offline(False)


def test_the_first_visit_weighs_at_most_26_mb(
    tmp_path: Path, browser: Browser, address: str
) -> None:
    context = browser.new_context()
    sizes: list[int] = []
    page = context.new_page()
    page.on("response", lambda answer: sizes.append(int(answer.headers.get("content-length", 0))))
    page.goto(address)
    page.wait_for_selector("#save:not([disabled])")
    page.wait_for_timeout(3000)
    context.close()
    assert 20e6 < sum(sizes) < 26e6


def test_a_tab_without_wasm_says_what_to_do(browser: Browser, address: str) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.add_init_script("delete globalThis.WebAssembly")
    page.goto(address)
    page.wait_for_selector("#problem:not([hidden])")
    assert "WebAssembly" in str(page.text_content("#problem"))
    context.close()


def test_a_narrow_page_shows_all_of_itself(opened: Page) -> None:
    opened.set_viewport_size({"width": 390, "height": 844})
    try:
        assert opened.evaluate("() => document.documentElement.scrollWidth") <= 390
    finally:
        opened.set_viewport_size({"width": 1440, "height": 1000})


def test_every_control_has_a_name(opened: Page) -> None:
    unnamed = opened.evaluate(
        """() => Array.from(document.querySelectorAll("button, input, select"))
        .filter((one) => !one.textContent.trim() && !one.labels?.length)
        .filter((one) => !one.querySelector("img[alt]")).map((one) => one.id)"""
    )
    assert unnamed == []
