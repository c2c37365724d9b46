"""The explorer opens ImageNet's network and photographs first, and a network of one's own."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torchvision import transforms

from tests.show.picture import factories
from xaihelpers import cams
from xaihelpers.datasets.real import photographs
from xaihelpers.errors import (
    ArchitectureError,
    LayerNotFoundError,
    SelectionError,
    TransformError,
    WeightsUnavailableError,
)
from xaihelpers.networks import imagenet
from xaihelpers.show.explorer.entries import find_entries, transformed
from xaihelpers.show.explorer.sources import Sample
from xaihelpers.show.explorer.widget import Explorer

FACTORY = "tests.show.picture.factories:complete"


@pytest.fixture(scope="module")
def fresh() -> Explorer:
    return Explorer()


def test_it_opens_with_imagenet_and_four_photographs(fresh: Explorer) -> None:
    assert fresh.frame.selection.network == "imagenet"
    assert fresh.frame.sample.key == "photographs:four"
    assert fresh.frame.target == "for tabby"
    assert fresh.frame.against == "tabby"
    grad_cam = fresh.frame.scores[0]
    assert grad_cam.energy > 0.7
    assert len(fresh._thumbs.children) == 1 + len(photographs.PHOTOGRAPHS)


def test_the_heat_moves_to_the_photograph_that_is_asked_for(fresh: Explorer) -> None:
    for name in ("espresso", "missile", "moped"):
        fresh.select(image="photographs:four", first=name, methods=("grad_cam",))
        assert fresh.frame.scores[0].energy > 0.7, name
    fresh.select(first="tiger cat")
    assert fresh.frame.scores[0].energy is None, "no photograph is called so"


def test_of_a_thousand_classes_the_likely_ones_come_first(fresh: Explorer) -> None:
    fresh.select(image="photographs:chelsea")
    labels = [label for label, _ in fresh.controls.named.options]
    assert len(labels) == 1000
    assert labels[0].startswith("tabby (")
    assert "cat" in labels[1]
    assert fresh._bars.value.count("<meter") <= 9
    assert fresh.controls.first.layout.display == "none"
    fresh.controls.named.value = dict(fresh.controls.named.options)[labels[4]]
    assert fresh.frame.target == f"for {labels[4].rpartition(' (')[0]}"
    fresh.select(network="fundus_efficientnet_b0")
    assert fresh.controls.named.layout.display == "none"
    fresh.select(network="imagenet")


def test_a_misspelt_class_is_answered_with_the_nearest(fresh: Explorer) -> None:
    with pytest.raises(SelectionError, match="'tabby'"):
        fresh.select(first="taby")


def test_its_maps_are_those_of_explain(fresh: Explorer) -> None:
    fresh.select(image="photographs:coffee", layer="stage5", first="espresso")
    found = fresh.workbench.explanation(fresh.selection)
    model, _ = imagenet.load()
    crop = photographs.central_crop(photographs.read("coffee"), 224)
    x = imagenet.normalize(torch.tensor(crop).permute(2, 0, 1)[None])
    expected = cams.explain(model, x, "blocks.6", target=967)
    difference = found.maps["grad_cam"] - expected.maps["grad_cam"]
    assert difference.abs().max() < 0.05  # torchvision's and PIL's resizing differ a little


def test_without_the_package_the_other_networks_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> Path:
        raise WeightsUnavailableError("not installed")

    monkeypatch.setattr(imagenet, "weights_path", missing)
    assert "imagenet" not in find_entries()
    assert "fundus_efficientnet_b0" in find_entries()


def test_a_network_of_ones_own_is_opened_first_with_its_classes_and_layers() -> None:
    picture = np.random.default_rng(0).integers(0, 255, (40, 60, 3), dtype=np.uint8)
    own = Explorer(
        model=factories.Tiny(),
        classes=["cat", "dog", "tabby"],
        transform=factories.TRANSFORM,
        pictures=[picture, Image.fromarray(picture[::-1])],
    )
    assert own.entry.title == "Tiny"
    assert own.entry.layers == {"last": "cells"}
    assert len(own._thumbs.children) == 2
    own.select(first="dog", methods=("hires_cam",))
    expected = cams.explain(
        factories.Tiny(),
        factories.TRANSFORM(Image.fromarray(picture))[None],
        "cells",
        target=1,
        methods=["hires_cam"],
    )
    found = own.workbench.explanation(own.selection)
    torch.testing.assert_close(found.raw["hires_cam"], expected.raw["hires_cam"])
    assert own.table()["network"].tolist() == ["own"]
    own.select(network="imagenet")
    assert own.frame.sample.origin == "photographs"


def test_a_name_opens_a_network_as_in_the_shell(tmp_path: Path) -> None:
    save_file(factories.Tiny().state_dict(), tmp_path / "w.safetensors")
    own = Explorer(model=FACTORY, weights=str(tmp_path / "w.safetensors"))
    assert own.entry.classes == ("cat", "dog", "tabby")
    assert len(own.entry.sha256) == 64


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"model": factories.Tiny()}, TransformError, "pass transform"),
        (
            {"model": factories.Tiny(), "transform": factories.TRANSFORM, "classes": ["a"]},
            ArchitectureError,
            "1 class names for a network of 3 outputs",
        ),
        ({"model": "timm:resnet18"}, ArchitectureError, "random weights"),
        (
            {
                "model": torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3072, 2)),
                "transform": factories.TRANSFORM,
            },
            LayerNotFoundError,
            "no layer with a grid",
        ),
    ],
)
def test_a_network_that_cannot_be_explored_is_refused(
    options: dict[str, object], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        Explorer(**options)


def test_what_is_drawn_is_the_part_that_the_network_sees() -> None:
    image = np.random.default_rng(0).integers(0, 255, (120, 200, 3), dtype=np.uint8)
    sample = Sample("k", "t", image, "", "")
    for transform in (imagenet.transform(64), factories.TRANSFORM):
        prepared = transformed(sample, transform)
        seen = torch.tensor(prepared.pixels).permute(2, 0, 1)[None]
        assert seen.shape == prepared.inputs.shape
    whole = transformed(sample, transforms.ToTensor())
    assert (whole.pixels == image).all()
    cut = transformed(
        sample, transforms.Compose([transforms.CenterCrop(50), transforms.ToTensor()])
    )
    np.testing.assert_allclose(
        cut.pixels, 255 * cut.inputs[0].permute(1, 2, 0).numpy(), atol=0.51, rtol=0
    )
