"""An exported network gives the original's logits and its CAM for every class, or is refused."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from xaihelpers.cams import explain_classes, maps
from xaihelpers.errors import ArchitectureError
from xaihelpers.networks import build
from xaihelpers.networks.export import Card, ClassMapNetwork, export, read_card

onnxruntime = pytest.importorskip("onnxruntime")


class Pooled(nn.Module):
    """Two convolutions of stride 32 in all, average pooling, one linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 6, 3, 4, 1), nn.ReLU(), nn.Conv2d(6, 8, 8, 8), nn.ReLU6()
        )
        self.classifier = nn.Linear(8, 4)

    def forward(self, images: Tensor) -> Tensor:
        return self.classifier(self.features(images).mean(dim=(2, 3)))


CARD = Card("tiny", ("a", "b", "c", "d"), "features", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), 64)


@pytest.fixture
def tiny() -> nn.Module:
    torch.manual_seed(0)
    return Pooled()


def run(path: Path, images: Tensor) -> tuple[np.ndarray, np.ndarray]:
    session = onnxruntime.InferenceSession(str(path))
    return tuple(session.run(None, {"images": images.numpy()}))  # type: ignore[return-value]


@pytest.fixture
def written(
    tiny: nn.Module,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    monkeypatch.setattr("xaihelpers.networks.export.SMALL", 2)  # tiny's weights are all small
    precision = getattr(request, "param", "fp32")
    export(tiny, CARD, tmp_path / "tiny.onnx", precision)
    return tmp_path / "tiny.onnx"


@pytest.mark.filterwarnings("ignore")  # torch's exporter warns of its own past
@pytest.mark.parametrize("size", [(64, 64), (96, 64)])
def test_class_maps_are_z_times_grad_cam_of_every_class(
    tiny: nn.Module, written: Path, size: tuple[int, int]
) -> None:
    images = torch.randn(1, 3, *size)
    logits, class_maps = run(written, images)
    explained = explain_classes(tiny, images, "features")
    cells = size[0] * size[1] / 32**2
    expected = cells * explained.raw["grad_cam"][0].numpy()
    np.testing.assert_allclose(class_maps[0], expected, atol=1e-5 * abs(expected).max())
    np.testing.assert_allclose(logits, explained.logits.numpy(), atol=1e-5)
    assert maps.rectify(torch.from_numpy(class_maps)).max() > 0


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("written", "bound"), [("fp16", 1e-2), ("int8", 1e-1)], indirect=["written"]
)
def test_stored_in_fewer_bits_the_maps_stay_near(
    tiny: nn.Module, written: Path, bound: float
) -> None:
    images = torch.randn(1, 3, 64, 64)
    _, class_maps = run(written, images)
    expected = ClassMapNetwork(tiny, "features", 64)(images)[1].detach().numpy()
    assert 0 < abs(class_maps - expected).max() < bound * abs(expected).max()


@pytest.mark.filterwarnings("ignore")
def test_the_card_lies_beside_and_the_model_is_left_alone(tiny: nn.Module, written: Path) -> None:
    card = read_card(written)
    assert card == json.loads(written.with_suffix(".json").read_text())
    assert (card["classes"], card["precision"], card["stride"]) == (
        ["a", "b", "c", "d"],
        "fp32",
        32,
    )
    assert tiny.training
    assert not tiny.features._forward_hooks


@pytest.mark.parametrize(
    ("arch", "layer"), [("vgg19", "features.36"), ("densenet121", "features.norm5")]
)
def test_a_head_that_is_no_cam_is_refused_with_the_theorems_reason(arch: str, layer: str) -> None:
    with pytest.raises(ArchitectureError, match="Grad-CAM there is not CAM"):
        ClassMapNetwork(build(arch, 3), layer, 64)


def test_densenet_is_accepted_at_the_relu_that_is_pooled() -> None:
    logits, class_maps = ClassMapNetwork(build("densenet121", 3), "final_relu", 64)(
        torch.randn(1, 3, 64, 64)
    )
    assert class_maps.shape == (1, 3, 2, 2)
    assert logits.shape == (1, 3)


def test_an_unknown_precision_is_named(tiny: nn.Module, tmp_path: Path) -> None:
    with pytest.raises(ArchitectureError, match="fp32, fp16, int8"):
        export(tiny, CARD, tmp_path / "tiny.onnx", "fp8")
    assert not list(tmp_path.iterdir())
