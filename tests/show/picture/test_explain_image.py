"""One call that draws: the heat stands where its cause is, and wrong input is refused."""

from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from PIL import Image
from timm.data import create_transform
from torch import Tensor, nn
from torchvision import models, transforms

from xaihelpers import cams, explain_image
from xaihelpers.errors import (
    ExplainError,
    FigureError,
    LayerNotFoundError,
    PictureError,
    StorageError,
    TargetError,
)

CLASSES = ["bright", "dark", "tabby"]
TO_TENSOR = transforms.ToTensor()


class Brightness(nn.Module):
    """Two logits that rise and fall with the picture's mean brightness; cells are pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.cells = nn.Conv2d(3, 1, 1)
        self.head = nn.Linear(1, 3)
        nn.init.constant_(self.cells.weight, 1 / 3)
        nn.init.zeros_(self.cells.bias)
        self.head.weight.data = torch.tensor([[1.0], [-1.0], [0.5]])
        nn.init.zeros_(self.head.bias)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.cells(images).relu().mean(dim=(2, 3)))


def spotted(height: int, width: int, y: int, x: int, side: int = 9) -> np.ndarray:
    """Black but for a white square centred at (y, x)."""
    picture = np.zeros((height, width, 3), np.uint8)
    half = side // 2
    picture[y - half : y + half + 1, x - half : x + half + 1] = 255
    return picture


@pytest.fixture
def net() -> Brightness:
    return Brightness()


@pytest.mark.parametrize(
    "transform",
    [
        models.ResNet50_Weights.DEFAULT.transforms(),
        transforms.Compose([transforms.Resize(64), transforms.CenterCrop(48), TO_TENSOR]),
        create_transform((3, 200, 224), is_training=False, crop_mode="border"),
        create_transform((3, 96, 128), is_training=False, crop_mode="squash"),
        lambda image: TO_TENSOR(image.resize((64, 64))),
    ],
    ids=["preset", "compose", "border", "squash", "own"],
)
@pytest.mark.parametrize(
    ("size", "spot"), [((300, 451), (130, 300)), ((500, 320), (300, 97)), ((90, 70), (40, 37))]
)
def test_a_bright_spot_lights_up_where_it_is(
    net: Brightness,
    transform: Callable[[Image.Image], Tensor],
    size: tuple[int, int],
    spot: tuple[int, int],
) -> None:
    shown = explain_image(net, spotted(*size, *spot), 0, layer="cells", transform=transform)
    heat = shown.panels[0].heat
    assert heat.shape == size
    hot = heat > 0.5 * heat.max()
    centre = np.array(np.nonzero(hot)).mean(axis=1)
    np.testing.assert_allclose(centre, spot, atol=1.5)
    one_cell = max(1 / scale for scale in shown.geometry.scale)
    assert np.ptp(np.nonzero(hot), axis=1).max() <= 9 + 2 * one_cell


def test_the_maps_are_those_of_explain(net: Brightness) -> None:
    picture = np.random.default_rng(0).integers(0, 255, (20, 30, 3), dtype=np.uint8)
    shown = explain_image(net, picture, 2, layer="cells", methods="layer_cam", transform=TO_TENSOR)
    expected = cams.explain(net, TO_TENSOR(picture)[None], "cells", target=2, methods=["layer_cam"])
    torch.testing.assert_close(shown.explanation.raw, expected.raw)
    np.testing.assert_allclose(shown.panels[0].heat, expected.maps["layer_cam"][0], atol=1e-6)
    probability = expected.logits.softmax(dim=1)[0, 2]
    assert shown.panels[0].probability == pytest.approx(float(probability))


def test_methods_classes_and_layers_become_a_grid(net: Brightness) -> None:
    shown = explain_image(
        net,
        spotted(20, 30, 10, 12),
        ["Tabby", 0],
        layer=["cells", net.cells],
        methods=("grad_cam", "hires_cam"),
        transform=TO_TENSOR,
        classes=CLASSES,
    )
    assert [(p.target, p.method) for p in shown.panels] == [
        ("tabby", "grad_cam"),
        ("tabby", "hires_cam"),
        ("bright", "grad_cam"),
        ("bright", "hires_cam"),
    ]
    figure = shown.figure()
    figure.canvas.draw()
    labels = [ax.get_xlabel() for ax in figure.axes if ax.images]
    assert len(labels) == 4
    assert labels[0].startswith("Grad-CAM · tabby ")
    assert list(shown.table()["index"]) == [2, 2, 0, 0]


def test_a_list_is_a_batch_with_one_target_each(net: Brightness) -> None:
    pictures = [spotted(20, 30, 10, 12), spotted(20, 30, 5, 20), spotted(40, 30, 30, 8)]
    options = {"layer": "cells", "transform": TO_TENSOR, "classes": CLASSES}
    together = explain_image(net, pictures, ["bright", None, 2], **options)
    for one, picture, target in zip(together, pictures, [0, None, 2], strict=True):
        alone = explain_image(net, picture, target, **options)
        np.testing.assert_array_equal(one.panels[0].heat, alone.panels[0].heat)
        assert one.rows() == alone.rows()
    assert len(together.table()) == 3


def test_equal_sizes_pass_the_network_once(net: Brightness) -> None:
    passes: list[int] = []
    net.register_forward_hook(lambda module, inputs, output: passes.append(len(inputs[0])))
    pictures = np.stack([spotted(20, 30, 10, x) for x in (6, 12, 18)])
    shown = explain_image(net, pictures, [0, 1, 2], layer="cells", transform=TO_TENSOR)
    assert passes == [3]
    assert [one.panels[0].index for one in shown] == [0, 1, 2]


def test_a_target_of_ones_own_has_a_name_and_no_probability(net: Brightness) -> None:
    shown = explain_image(
        net,
        spotted(20, 30, 10, 12),
        cams.targets.difference(0, 1),
        layer="cells",
        transform=TO_TENSOR,
    )
    (panel,) = shown.panels
    assert panel.target == "logit of class 0 minus (logit of class 1)"
    assert panel.probability is None


def test_the_suggested_layer_is_said_and_stored(
    net: Brightness, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = explain_image(net, spotted(20, 30, 10, 12), transform=TO_TENSOR)
    assert "layer: 'cells'" in capsys.readouterr().out
    assert shown.explanation.layer == "cells"


@pytest.mark.parametrize(
    ("build", "layer"),
    [
        (models.resnet18, "layer4"),
        (models.efficientnet_b0, "features"),
        (models.densenet121, "features"),
        (models.vgg11, "features"),
        (models.mobilenet_v3_small, "features"),
        (models.convnext_tiny, "features"),
    ],
)
def test_the_last_layer_with_a_grid_is_suggested(
    build: Callable[[], nn.Module], layer: str
) -> None:
    from xaihelpers.show.picture.layers import last_grid_layer

    model = build()
    assert last_grid_layer(model, torch.rand(1, 3, 64, 64)) == layer
    assert not any(module._forward_hooks for module in model.modules())
    assert model.training


def test_a_network_of_tokens_gets_no_suggestion() -> None:
    model = models.VisionTransformer(32, 8, 2, 2, 16, 32)
    with pytest.raises(LayerNotFoundError, match="tokens.*pass layer"):
        explain_image(model, np.zeros((32, 32, 3), np.uint8), transform=TO_TENSOR)


def test_an_empty_map_says_so(net: Brightness) -> None:
    shown = explain_image(net, spotted(20, 30, 10, 12), 1, layer="cells", transform=TO_TENSOR)
    assert shown.panels[0].empty
    assert shown.panels[0].title.endswith("no positive evidence")
    np.testing.assert_array_equal(shown.overlays()[0], shown.picture.pixels)


def test_what_the_crop_left_out_is_darkened_and_the_rest_keeps_its_size(net: Brightness) -> None:
    picture = np.full((30, 60, 3), 200, np.uint8)
    crop = transforms.Compose([transforms.CenterCrop(30), TO_TENSOR])
    (overlay,) = explain_image(net, picture, 1, layer="cells", transform=crop).overlays()
    assert overlay.shape == picture.shape
    assert (overlay[:, :15] == 70).all()
    assert (overlay[:, 45:] == 70).all()
    assert (overlay[:, 15:45] == 200).all()


def test_a_notebook_shows_the_overlay_with_class_and_probability(net: Brightness) -> None:
    shown = explain_image(
        net, spotted(20, 30, 10, 12), layer="cells", transform=TO_TENSOR, classes=["<b>", "c", "d"]
    )
    html = shown._repr_html_()
    ElementTree.fromstring(html)
    assert html.count("<img") == 1
    assert 'alt="heat map on picture: Grad-CAM · &lt;b&gt; ' in html
    assert "<b>" not in html


def test_saving_writes_png_or_svg_whole_or_not_at_all(net: Brightness, tmp_path: Path) -> None:
    shown = explain_image(net, spotted(20, 30, 10, 12), layer="cells", transform=TO_TENSOR)
    for name in ("new/cat.png", "cat.svg"):
        path = shown.save(tmp_path / name)
        first = path.read_bytes()
        assert shown.save(path).read_bytes() == first
    with Image.open(tmp_path / "new" / "cat.png") as image:
        assert image.width > 600
    with pytest.raises(FigureError, match=r"cat\.jpg must end in \.png or \.svg"):
        shown.save(tmp_path / "cat.jpg")
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="cannot write"):
        shown.save(tmp_path / "file" / "cat.png")
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["cat.png", "cat.svg", "file", "new"]


def test_a_batch_is_saved_file_by_file(net: Brightness, tmp_path: Path) -> None:
    pictures = [spotted(20, 30, 10, 12)] * 2
    shown = explain_image(net, pictures, layer="cells", transform=TO_TENSOR)
    assert [p.name for p in shown.save(tmp_path)] == ["1_picture.png", "2_picture.png"]
    assert shown._repr_html_().count("<img") == 2


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"target": "taby"}, TargetError, "'taby'.*'tabby'"),
        ({"target": "tabby", "classes": None}, TargetError, "no class names are known"),
        ({"target": 7}, TargetError, "outside the model's 3 classes"),
        ({"target": []}, TargetError, "list of targets is empty"),
        ({"layer": "cell"}, LayerNotFoundError, "nearest: cells"),
        ({"methods": ["grad_cat"]}, ExplainError, "grad_cam"),
        ({"image": []}, PictureError, "list of pictures is empty"),
        ({"image": [np.zeros((9, 9, 3), np.uint8)], "target": [1, 2]}, TargetError, "2 targets"),
    ],
)
def test_a_wrong_request_is_refused(
    net: Brightness, change: dict[str, object], error: type[Exception], words: str
) -> None:
    request = {"image": spotted(20, 30, 10, 12), "target": 0, "layer": "cells"}
    request |= {"transform": TO_TENSOR, "classes": CLASSES, **change}
    with pytest.raises(error, match=words):
        explain_image(net, **request)


def test_the_network_is_left_as_it_was(net: Brightness) -> None:
    net.train()
    explain_image(net, spotted(20, 30, 10, 12), transform=TO_TENSOR)
    assert net.training
    assert all(p.grad is None and p.requires_grad for p in net.parameters())
    assert not any(module._forward_hooks for module in net.modules())
