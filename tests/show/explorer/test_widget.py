"""The explorer's widgets without a browser: each choice is drawn once, and exported as shown."""

import base64
import io
import threading
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import ipywidgets as widgets
import numpy as np
import pytest
import torch
from PIL import Image

from tests.datasets.layouts import write_aptos
from tests.show.explorer.explorer_case import COLOUR, NETWORK, RAMP, png
from xaihelpers import datasets, networks
from xaihelpers.errors import SelectionError
from xaihelpers.show.explorer import live as explorer_live
from xaihelpers.show.explorer import pictures
from xaihelpers.show.explorer import sources as explorer_sources
from xaihelpers.show.explorer.entries import find_entries
from xaihelpers.show.explorer.widget import Explorer
from xaihelpers.show.explorer.workbench import Selection, Workbench

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
    explorer.select(network="chest_xray_densenet121", layer="stage3", first="COVID", opacity=0.3)
    assert explorer.draws == draws + 1
    assert explorer.frame.target == "for COVID"
    assert explorer.frame.sample.key.startswith("chest_xray:")


def test_a_picture_opens_at_its_predicted_class(explorer: Explorer) -> None:
    explorer._thumbs.children[7].click()
    frame = explorer.frame
    assert frame.sample.key == "fundus:7"
    assert frame.selection.first == int(np.argmax(frame.probabilities))
    chosen = [b for b in explorer._thumbs.children if "xai-chosen" in b._dom_classes]
    assert chosen == [explorer._thumbs.children[7]]


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        ({"layer": "lst"}, "lst"),
        ({"first": "Sever"}, "did you mean 'Severe'"),
        ({"first": 9}, "outside 0 to 4"),
        ({"image": "fundus:999"}, "no picture"),
        ({"methods": ("gradcam",)}, "grad_cam"),
        ({"colour": "red"}, "fields of Selection"),
        ({"network": "fundus_vgg18"}, "fundus_vgg18"),
    ],
)
def test_a_wrong_choice_says_what_there_is(
    explorer: Explorer, choice: dict[str, object], words: str
) -> None:
    with pytest.raises(SelectionError, match=words):
        explorer.select(**choice)


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
    explorer.select(opacity=0.2)
    assert explorer._notice.value == ""


def test_waiting_requests_are_dropped_for_the_latest() -> None:
    newest, done, started, release = (
        explorer_live.LatestOnly(),
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
        while newest._requests < number + 2:
            pass
    release.set()
    for thread in threads:
        thread.join(5)
    assert done == ["first", 4]


def test_an_export_holds_picture_and_numbers(explorer: Explorer) -> None:
    explorer.controls.save.click()
    assert explorer._links.value.count("<a download=") == 2
    table = explorer.table()
    assert list(table["method"]) == list(explorer.selection.methods)
    assert set(table["sha256"]) == {explorer.entry.sha256}
    assert set(table["origin"]) == {"rendered"}
    titles = [ax.get_title() for ax in explorer.figure().axes]
    assert titles[1:] == ["Grad-CAM", "Grad-CAM++", "XGrad-CAM"]
    assert "no patient" in explorer.figure().get_suptitle()


def test_real_pictures_stand_beside_the_rendered_ones(tmp_path: Path) -> None:
    write_aptos(tmp_path)
    bench = Workbench(find_entries(str(tmp_path)))
    origins = [bench.samples[key].origin for key in bench.gallery(NETWORK)]
    assert origins.count("rendered") == explorer_sources.GALLERY_SIZE
    assert origins.count("real") >= 1


def test_real_pictures_are_test_pictures_of_the_networks_own_training(tmp_path: Path) -> None:
    write_aptos(tmp_path)
    entry = find_entries(str(tmp_path))[NETWORK]
    shown = {}
    for seed in (0, 7):
        trained = replace(entry, card=entry.card | {"seed": seed})
        found = trained.gallery()
        shown[seed] = [sample for sample in found if sample.origin == "real"]
        expected = datasets.load("aptos", "test", entry.size, seed, tmp_path, cache=False)
        assert [s.truth for s in shown[seed]] == [expected.classes[n] for n in expected.labels]
        assert all((s.image == expected[i].image).all() for i, s in enumerate(shown[seed]))
    first, second = ([sample.image.tobytes() for sample in shown[seed]] for seed in (0, 7))
    assert set(first) != set(second)
    assert not {sample.key for sample in shown[0]} & {sample.key for sample in shown[7]}


def test_networks_for_other_sizes_keep_pictures_of_their_own(bench: Workbench) -> None:
    small = "chest_marker_small_small_vgg_gap"
    selections = [
        Selection(name, bench.gallery(name)[2]) for name in ("chest_xray_densenet121", small)
    ]
    assert selections[0].image == "chest_xray:2"
    for _ in range(2):
        for selection, side in zip(selections, (224, 128), strict=True):
            frame = bench.frame(selection)
            assert frame.sample.image.shape == (side, side, 3)
            assert bench.explanation(selection).maps["grad_cam"].shape == (1, side, side)


def test_pictures_are_spread_over_the_classes() -> None:
    labels = np.array([0] * 50 + [1] * 5 + [2])
    assert explorer_sources.balanced_indices(labels, 5) == [0, 1, 50, 51, 55]


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


def test_live_maps_are_those_of_the_network_that_is_passed(
    bench: Workbench, selection: Selection
) -> None:
    model = bench.model(NETWORK).train()
    try:
        layers = networks.LAYERS["efficientnet_b0"]
        box = explorer_live.maps(
            model, bench.pixels(selection), layers, bench.entries[NETWORK].classes
        )
        assert model.training
    finally:
        model.eval()
    layer, first = box.children[1:3]
    first.value = 3
    layer.value = "stage4"
    heat = bench.explanation(replace(selection, layer="stage4")).maps["grad_cam"][0].numpy()
    assert pictures.as_url(pictures.draw(bench.pixels(selection), heat)) in box.children[-1].value


def test_a_live_widget_leaves_a_still_of_what_it_shows_now() -> None:
    colours = {"dark": 10, "light": 240}
    choice = widgets.Dropdown(options=list(colours))
    box = explorer_live.live(
        lambda shade: {shade: np.full((8, 8, 3), colours[shade], np.uint8)}, shade=choice
    )

    def brightness() -> float:
        still = Image.open(io.BytesIO(base64.b64decode(box._repr_mimebundle_()["image/jpeg"])))
        width, height = still.size
        return float(np.asarray(still)[height * 2 // 3, width // 2].mean())

    assert "application/vnd.jupyter.widget-view+json" in box._repr_mimebundle_()
    assert abs(brightness() - 10) < 5
    choice.value = "light"
    assert abs(brightness() - 240) < 5


def test_a_live_widget_that_failed_leaves_no_still() -> None:
    broken = explorer_live.live(lambda fraction: 1 / fraction, fraction=widgets.FloatSlider(0))
    assert "image/jpeg" not in broken._repr_mimebundle_()
