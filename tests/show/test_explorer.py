"""The explorer without a browser: the same maps as everywhere else, drawn once per choice."""

import io
import threading
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from tests.datasets.layouts import write_aptos
from xaihelpers import cams, networks
from xaihelpers.cams import METHODS
from xaihelpers.evaluation import localization
from xaihelpers.show import explorer_html, explorer_live, explorer_sources, figures
from xaihelpers.show import explorer_pictures as pictures
from xaihelpers.show.errors import UploadError, ViewError
from xaihelpers.show.explorer import Explorer
from xaihelpers.show.explorer_core import KINDS, TITLES, View, Workbench, measured, question
from xaihelpers.show.explorer_upload import KEPT_SIDE, read_upload

NETWORK = "fundus_efficientnet_b0"


@pytest.fixture(scope="module")
def bench() -> Workbench:
    bench = Workbench()
    bench.gallery(NETWORK)
    return bench


@pytest.fixture(scope="module")
def shared() -> Explorer:
    return Explorer()


@pytest.fixture
def explorer(shared: Explorer) -> Explorer:
    """The one explorer as it opens."""
    start = View("", "")
    chosen = {name: getattr(start, name) for name in ("layer", "methods", "kind", "box", "cmap")}
    shared.look(network=NETWORK, image="fundus:1", opacity=0.6, fraction=0.15, **chosen)
    return shared


@pytest.fixture
def view() -> View:
    return View(NETWORK, "fundus:3", first=3, other=1)


def png(pixels: np.ndarray, mode: str | None = None, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(buffer, kind)
    return buffer.getvalue()


RAMP = np.linspace(0, 255, 40 * 30).reshape(30, 40).astype(np.uint8)
COLOUR = np.stack([RAMP, RAMP[::-1], RAMP[:, ::-1]], axis=2)


# the core: a view becomes pictures and numbers


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("role", ["last", "stage4", "stage2"])
def test_maps_are_those_of_explain(bench: Workbench, view: View, role: str, kind: str) -> None:
    view = replace(view, layer=role, kind=kind)
    found = bench.explanation(view)
    x = networks.normalize(torch.from_numpy(bench.pixels(view)).permute(2, 0, 1)[None])
    layer, target = networks.LAYERS["efficientnet_b0"][role], question(kind, 3, 1)
    expected = cams.explain(bench.model(NETWORK), x, layer, target, list(METHODS))
    for name in METHODS:
        scale = expected.raw[name].abs().max()
        torch.testing.assert_close(found.raw[name] / scale, expected.raw[name] / scale)
    assert found.layer == layer


def test_only_a_new_question_costs_a_pass(
    bench: Workbench, view: View, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.frame(view)
    forwards, backwards = [], []
    handle = bench.model(NETWORK).register_forward_hook(lambda *_: forwards.append(1))
    differentiate = torch.autograd.grad
    monkeypatch.setattr(
        torch.autograd, "grad", lambda *a, **k: backwards.append(1) or differentiate(*a, **k)
    )
    try:
        changes = {"opacity": 0.1, "cmap": "jet", "box": False, "fraction": 0.5, "contours": False}
        for name, value in changes.items():
            bench.frame(replace(view, **{name: value}))
        bench.frame(replace(view, methods=tuple(TITLES)))
        assert (forwards, backwards) == ([], [])
        bench.frame(replace(view, first=2))
        bench.frame(replace(view, layer="stage3"))
        assert (len(forwards), len(backwards)) == (0, 2)
        bench.frame(replace(view, image="fundus:9"))
        assert (len(forwards), len(backwards)) == (1, 3)
    finally:
        handle.remove()


def test_numbers_are_those_of_the_evaluation(bench: Workbench, view: View) -> None:
    frame = bench.frame(view)
    mask = torch.from_numpy(measured(frame.sample, "Severe")[1])[None]
    for score in frame.scores:
        heat = bench.explanation(view).maps[score.method]
        box = localization.box_of_largest_component(heat, 0.15)
        assert score.energy == pytest.approx(float(localization.energy_in_mask(heat, mask)))
        assert score.hit == bool(localization.pointing_hit(heat, mask))
        assert list(score.box) == box[0].tolist()
    assert sum(frame.probabilities) == pytest.approx(1, abs=1e-5)


def test_a_set_whose_masks_bear_class_names_is_measured_against_the_class_shown() -> None:
    masks = {name: np.zeros((4, 4), bool) for name in ("circle", "square")}
    masks["circle"][0] = masks["square"][3] = True
    sample = explorer_sources.Sample("k", "t", np.zeros((4, 4, 3), np.uint8), "", "", masks)
    words, mask = measured(sample, "square")
    assert words == "square"
    assert mask is not None
    assert mask.tolist() == masks["square"].tolist()
    words, mask = measured(sample, "Severe")
    assert (words, mask.sum()) == ("any lesion", 8)


def test_a_difference_of_a_class_with_itself_is_said_to_be_empty(
    bench: Workbench, view: View
) -> None:
    frame = bench.frame(replace(view, kind="difference", other=3))
    assert all(score.empty and score.energy == 0 for score in frame.scores)
    assert "no positive evidence" in explorer_html.panels(frame)


# drawing


def test_the_fast_blend_is_the_overlay_of_the_figures() -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
    heat = (rng.permutation(64).reshape(8, 8) / 63).astype(np.float32)
    figure = figures.overlay(image, heat, colorbar=False, opacity=0.6)
    base, over = figure.axes[0].images
    colours, alpha = over.cmap(over.norm(over.get_array()))[..., :3], over.get_alpha()[..., None]
    expected = (1 - alpha) * base.get_array() + alpha * 255 * colours
    drawn = pictures.blend(image, heat, "inferno", 0.6)
    assert np.abs(drawn - expected).max() <= 2


def test_box_and_outline_are_drawn_where_they_belong() -> None:
    image, mask = np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8), bool)
    mask[1:3, 1:3] = True
    lines = pictures.outlines({"opacity": mask, "lung": np.zeros((8, 8), bool)}, side=80)
    assert [name for name, _, _ in lines] == ["opacity"]
    outlined = pictures.draw(image, lines=lines, side=80).max(axis=2) > 64
    rows, columns = np.nonzero(outlined)
    assert 8 <= rows.min() <= 11
    assert 28 <= columns.max() <= 31
    boxed = pictures.draw(image, box=(4, 2, 8, 6), side=80).max(axis=2) > 0
    rows, columns = np.nonzero(boxed)
    assert 18 <= rows.min() <= 22
    assert columns.max() == 79
    assert not pictures.draw(image, box=(0, 0, 0, 0), side=80).any()


def test_encoded_pictures_keep_their_colours() -> None:
    red = np.zeros((16, 16, 3), np.uint8)
    red[..., 0] = 200
    back = cv2.imdecode(np.frombuffer(pictures.as_jpeg(red), np.uint8), cv2.IMREAD_COLOR)
    assert np.abs(back[..., ::-1].astype(int) - red).max() < 8


# uploads


def test_an_upload_keeps_its_pixels() -> None:
    pixels, note = read_upload("a.png", png(COLOUR))
    assert pixels.tolist() == COLOUR.tolist()
    assert note == ""


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (png(RAMP), "grey"),
        (png(COLOUR, "RGBA"), "transparency left out"),
        (png(RAMP, "LA"), "grey, so all three colours are equal; transparency left out"),
        (png(RAMP.astype(np.uint16) * 257), "16-bit grey brought to 8 bits"),
        (png(np.full((50, 2000, 3), 9, np.uint8)), "shrunk from 2000 x 50"),
    ],
)
def test_a_converted_upload_says_what_was_done(content: bytes, words: str) -> None:
    pixels, note = read_upload("a.png", content)
    assert words in note
    assert pixels.dtype == np.uint8
    assert pixels.shape[2] == 3
    assert max(pixels.shape) <= KEPT_SIDE


def test_sixteen_bit_grey_keeps_its_shades() -> None:
    pixels, _ = read_upload("deep.png", png(RAMP.astype(np.uint16) * 257))
    assert np.abs(pixels[..., 0].astype(int) - RAMP).max() <= 1


def test_a_photograph_taken_sideways_is_turned_upright() -> None:
    buffer, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 6  # the camera was turned by a quarter
    Image.fromarray(COLOUR).save(buffer, "PNG", exif=exif)
    pixels, _ = read_upload("phone.png", buffer.getvalue())
    assert pixels.tolist() == np.rot90(COLOUR, -1).tolist()


def bomb() -> bytes:
    """A small file that unpacks to 64 million pixels."""
    buffer = io.BytesIO()
    Image.new("1", (8000, 8000)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", r"empty \(0 bytes\)"),
        (b"no picture at all", "not an image"),
        (png(COLOUR)[:120], "cut off or damaged"),
        (png(COLOUR, kind="JPEG")[:400], "cut off or damaged|damaged|not an image"),
        (bytes(20_000_001), "20 MB"),
        (bomb(), "8000 x 8000 pixels"),
        (png(COLOUR[:3]), "at least 16"),
    ],
)
def test_an_unusable_upload_is_answered_with_what_is_wrong(content: bytes, words: str) -> None:
    with pytest.raises(UploadError, match=words) as caught:
        read_upload("mine.png", content)
    assert str(caught.value).startswith("mine.png ")


# the widgets


def test_it_opens_with_a_picture_drawn_once(explorer: Explorer) -> None:
    fresh = Explorer()
    assert fresh.draws == 1
    assert any(mask.any() for mask in fresh.frame.sample.masks.values())
    assert fresh._panels.value.count("<img") == 4
    assert fresh._notice.value == ""


def test_each_control_changes_the_picture(explorer: Explorer) -> None:
    controls = explorer.controls
    changes = [
        (controls.layer, "stage4"),
        (controls.first, 4),
        (controls.kind, "counterfactual"),
        (controls.methods["layer_cam"], True),
        (controls.opacity, 0.9),
        (controls.cmap, "jet"),
        (controls.fraction, 0.5),
        (controls.box_shown, False),
        (controls.contours, False),
        (controls.network, "fundus_vgg19"),
    ]
    for control, value in changes:
        before, draws = explorer._panels.value, explorer.draws
        control.value = value
        assert explorer._panels.value != before, control.description
        assert explorer.draws == draws + 1
    controls.contours.value = True


def test_several_choices_are_drawn_once(explorer: Explorer) -> None:
    draws = explorer.draws
    explorer.look(network="chest_xray_densenet121", layer="stage3", first="COVID", opacity=0.3)
    assert explorer.draws == draws + 1
    assert explorer.frame.target == "for COVID"
    assert explorer.frame.sample.key.startswith("chest_xray:")


def test_a_picture_opens_at_its_predicted_class(explorer: Explorer) -> None:
    explorer._thumbs.children[7].click()
    frame = explorer.frame
    assert frame.sample.key == "fundus:7"
    assert frame.view.first == int(np.argmax(frame.probabilities))
    chosen = [b for b in explorer._thumbs.children if "xai-chosen" in b._dom_classes]
    assert chosen == [explorer._thumbs.children[7]]


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        ({"layer": "lst"}, "lst"),
        ({"first": "Sever"}, "No DR, Mild"),
        ({"first": 9}, "outside 0 to 4"),
        ({"image": "fundus:999"}, "no picture"),
        ({"methods": ("gradcam",)}, "grad_cam"),
        ({"colour": "red"}, "fields of View"),
        ({"network": "fundus_vgg18"}, "fundus_vgg18"),
    ],
)
def test_a_wrong_choice_says_what_there_is(
    explorer: Explorer, choice: dict[str, object], words: str
) -> None:
    with pytest.raises(ViewError, match=words):
        explorer.look(**choice)


def upload(explorer: Explorer, name: str, content: bytes) -> None:
    explorer.controls.upload.value = (
        {"name": name, "type": "", "size": len(content), "last_modified": datetime.now(UTC)}
        | {"content": memoryview(content)},
    )


def test_an_uploaded_file_is_shown_and_a_bad_one_leaves_everything_as_it_was(
    explorer: Explorer,
) -> None:
    upload(explorer, "<b>mine</b>.png", png(COLOUR))
    shown = explorer._panels.value
    assert explorer.frame.sample.origin == "your own file"
    assert "&lt;b&gt;mine" in shown
    assert "<b>mine" not in shown
    assert "nothing to measure" in explorer._scores.value
    assert explorer.table()["energy_in_mask"].isna().all()
    upload(explorer, "<i>broken</i>.png", b"text")
    assert 'role="alert"' in explorer._notice.value
    assert "&lt;i&gt;broken&lt;/i&gt;.png is not an image" in explorer._notice.value
    assert explorer._panels.value == shown
    explorer.look(opacity=0.2)
    assert explorer._notice.value == ""


def test_waiting_requests_are_dropped_for_the_newest() -> None:
    newest, done, started, release = (
        explorer_live.Newest(),
        [],
        threading.Event(),
        threading.Event(),
    )

    def slow() -> None:
        started.set()
        release.wait(5)
        done.append("first")

    threads = [threading.Thread(target=newest, args=[slow])]
    threads[0].start()
    started.wait(5)
    for number in range(5):
        threads.append(threading.Thread(target=newest, args=[lambda n=number: done.append(n)]))
        threads[-1].start()
        while newest._asked < number + 2:
            pass
    release.set()
    for thread in threads:
        thread.join(5)
    assert done == ["first", 4]


def test_an_export_holds_picture_and_numbers(explorer: Explorer) -> None:
    explorer.controls.save.click()
    assert explorer._links.value.count("<a download=") == 2
    table = explorer.table()
    assert list(table["method"]) == list(explorer.view.methods)
    assert set(table["sha256"]) == {explorer.entry.card["sha256"]}
    assert set(table["origin"]) == {"rendered"}
    titles = [ax.get_title() for ax in explorer.figure().axes]
    assert titles[1:] == ["Grad-CAM", "Grad-CAM++", "XGrad-CAM"]
    assert "no patient" in explorer.figure().get_suptitle()


def test_real_pictures_stand_beside_the_rendered_ones(tmp_path: Path) -> None:
    write_aptos(tmp_path)
    bench = Workbench(str(tmp_path))
    origins = [bench.samples[key].origin for key in bench.gallery(NETWORK)]
    assert origins.count("rendered") == explorer_sources.MOST
    assert origins.count("real") >= 1


def test_pictures_are_spread_over_the_classes() -> None:
    labels = np.array([0] * 50 + [1] * 5 + [2])
    assert explorer_sources.spread(labels, 5) == [0, 1, 50, 51, 55]


# small widgets


def test_a_live_widget_follows_its_controls_and_shows_what_goes_wrong() -> None:
    box = explorer_live.threshold_box(COLOUR[:30, :30], torch.from_numpy(RAMP[:30, :30] / 255.0))
    slider, shown = box.children[1:]
    before = shown.value
    slider.value = 0.8
    assert shown.value != before
    assert "box from 80% of the maximum" in shown.value
    broken = explorer_live.live(lambda fraction: {} if 1 / fraction else {}, fraction=slider)
    slider.min = 0
    slider.value = 0
    assert "ZeroDivisionError" in broken.children[-1].value


def test_live_maps_are_those_of_the_network_that_is_passed(bench: Workbench, view: View) -> None:
    model = bench.model(NETWORK).train()
    try:
        layers = networks.LAYERS["efficientnet_b0"]
        box = explorer_live.maps(model, bench.pixels(view), layers, bench.entries[NETWORK].classes)
        assert model.training
    finally:
        model.eval()
    layer, first = box.children[1:3]
    first.value = 3
    layer.value = "stage4"
    heat = bench.explanation(replace(view, layer="stage4")).maps["grad_cam"][0].numpy()
    assert pictures.as_url(pictures.draw(bench.pixels(view), heat)) in box.children[-1].value
