"""The small VGG's two forms share their trunk and differ in the head alone."""

import pytest
import torch
from torch import nn

from xaihelpers import cams, networks
from xaihelpers.networks import LAYERS, SMALL


@pytest.mark.parametrize("arch", SMALL)
def test_logits_for_every_class_at_two_image_sizes(arch: str) -> None:
    model = networks.build(arch, 8).eval()
    with torch.no_grad():
        assert model(torch.randn(2, 3, 128, 128)).shape == (2, 8)
        assert model(torch.randn(2, 3, 64, 64)).shape == (2, 8)


def test_the_trunks_are_alike_weight_by_weight() -> None:
    dense, gap = (networks.build(arch, 8).features.state_dict() for arch in SMALL)
    assert {k: v.shape for k, v in dense.items()} == {k: v.shape for k, v in gap.items()}


@pytest.mark.parametrize("arch", SMALL)
def test_the_named_layers_have_the_grids_of_their_roles(arch: str) -> None:
    table = networks.layer_table(arch, size=128).set_index("role")
    assert table.loc["stage4":"stage2", "grid"].tolist() == ["8x8", "16x16", "32x32"]
    assert table.loc["last", "grid"] == ("8x8" if arch == "small_vgg_gap" else "4x4")
    with torch.device("meta"):
        model = networks.build(arch, 2)
    assert isinstance(model.get_submodule(LAYERS[arch]["last_conv"]), nn.Conv2d)


def test_cam_is_grad_cam_behind_the_gap_and_not_behind_the_fully_connected_head() -> None:
    torch.manual_seed(0)
    images = torch.randn(2, 3, 64, 64, dtype=torch.float64)
    gaps = {}
    for arch in SMALL:
        model = networks.build(arch, 4).double().eval()
        raw = cams.explain(
            model, images, "features.27", target=1, methods=["grad_cam", "hires_cam"]
        ).raw
        gaps[arch] = (raw["grad_cam"] - raw["hires_cam"]).abs().max() / raw["grad_cam"].abs().max()
    assert gaps["small_vgg_gap"] < 1e-12
    assert gaps["small_vgg"] > 1e-2
