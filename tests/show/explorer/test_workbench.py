"""The explorer without widgets: the same maps as everywhere else, and uploads of every kind."""

import io
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from tests.show.explorer.explorer_case import COLOUR, NETWORK, RAMP, png
from xaihelpers import cams, networks
from xaihelpers.cams import METHODS
from xaihelpers.errors import PictureError
from xaihelpers.metrics import localization
from xaihelpers.show import figures
from xaihelpers.show.explorer import html as explorer_html
from xaihelpers.show.explorer import pictures
from xaihelpers.show.explorer import sources as explorer_sources
from xaihelpers.show.explorer.upload import KEPT_SIDE, read_upload
from xaihelpers.show.explorer.workbench import (
    KINDS,
    Selection,
    Workbench,
    make_target,
    reference_mask,
)

# the core: a selection becomes pictures and numbers


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("role", ["last", "stage4", "stage2"])
def test_maps_are_those_of_explain(
    bench: Workbench, selection: Selection, role: str, kind: str
) -> None:
    selection = replace(selection, layer=role, kind=kind)
    found = bench.explanation(selection)
    x = networks.normalize(torch.tensor(bench.pixels(selection)).permute(2, 0, 1)[None])
    layer, target = networks.LAYERS["efficientnet_b0"][role], make_target(kind, 3, 1)
    expected = cams.explain(bench.model(NETWORK), x, layer, target=target, methods=list(METHODS))
    for name in METHODS:
        scale = expected.raw[name].abs().max()
        torch.testing.assert_close(found.raw[name] / scale, expected.raw[name] / scale)
    assert found.layer == layer


def test_only_a_new_question_costs_a_pass(
    bench: Workbench, selection: Selection, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.frame(selection)
    forwards, backwards = [], []
    handle = bench.model(NETWORK).register_forward_hook(lambda *_: forwards.append(1))
    differentiate = torch.autograd.grad
    monkeypatch.setattr(
        torch.autograd, "grad", lambda *a, **k: backwards.append(1) or differentiate(*a, **k)
    )
    try:
        changes = {"opacity": 0.1, "cmap": "jet", "box": False, "fraction": 0.5, "contours": False}
        for name, value in changes.items():
            bench.frame(replace(selection, **{name: value}))
        bench.frame(replace(selection, methods=tuple(METHODS)))
        assert (forwards, backwards) == ([], [])
        bench.frame(replace(selection, first=2))
        bench.frame(replace(selection, layer="stage3"))
        assert (len(forwards), len(backwards)) == (0, 2)
        bench.frame(replace(selection, image="fundus:9"))
        assert (len(forwards), len(backwards)) == (1, 3)
    finally:
        handle.remove()


def test_numbers_are_those_of_the_evaluation(bench: Workbench, selection: Selection) -> None:
    frame = bench.frame(selection)
    mask = torch.from_numpy(reference_mask(frame.sample, "Severe")[1])[None]
    for score in frame.scores:
        heat = bench.explanation(selection).maps[score.method]
        box = localization.box_of_largest_component(heat, 0.15)
        assert score.energy == pytest.approx(float(localization.energy_in_mask(heat, mask)))
        assert score.hit == bool(localization.pointing_hit(heat, mask))
        assert list(score.box) == box[0].tolist()
    assert sum(frame.probabilities) == pytest.approx(1, abs=1e-5)


def test_a_set_whose_masks_bear_class_names_is_measured_against_the_class_shown() -> None:
    masks = {name: np.zeros((4, 4), bool) for name in ("circle", "square")}
    masks["circle"][0] = masks["square"][3] = True
    sample = explorer_sources.Sample("k", "t", np.zeros((4, 4, 3), np.uint8), "", "", masks)
    words, mask = reference_mask(sample, "square")
    assert words == "square"
    assert mask is not None
    assert mask.tolist() == masks["square"].tolist()
    words, mask = reference_mask(sample, "Severe")
    assert (words, mask.sum()) == ("any lesion", 8)


def test_a_difference_of_a_class_with_itself_is_said_to_be_empty(
    bench: Workbench, selection: Selection
) -> None:
    frame = bench.frame(replace(selection, kind="difference", other=3))
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
    with pytest.raises(PictureError, match=words) as caught:
        read_upload("mine.png", content)
    assert str(caught.value).startswith("mine.png ")
