"""Networks by name: opened with weights that are given, or refused with the remedy."""

from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file
from torchvision import models

from tests.show.picture import factories
from xaihelpers.errors import ArchitectureError, CheckpointError, DataError
from xaihelpers.show.picture.models import open_model

HERE = "tests.show.picture.factories"


def test_a_factory_gives_network_classes_and_transform() -> None:
    opened = open_model(f"{HERE}:complete")
    assert opened.classes == ("cat", "dog", "tabby")
    assert opened.transform is factories.TRANSFORM
    assert not opened.model.training


@pytest.mark.parametrize(
    ("name", "build"),
    [
        ("torchvision:squeezenet1_1", models.squeezenet1_1),
        ("timm:test_resnet", lambda: timm.create_model("test_resnet")),
    ],
)
def test_weights_from_a_file_are_put_into_an_architecture_by_name(
    tmp_path: Path, name: str, build: object
) -> None:
    source = build()
    save_file(source.state_dict(), tmp_path / "w.safetensors")
    opened = open_model(name, tmp_path / "w.safetensors")
    torch.testing.assert_close(opened.model.state_dict(), source.state_dict())
    assert len(opened.weights) == 64
    assert opened.transform is not None
    assert len(opened.classes) == 1000


@pytest.mark.parametrize("name", ["torchvision:resnet50", "timm:resnet18"])
def test_without_weights_random_ones_are_refused(name: str) -> None:
    with pytest.raises(ArchitectureError, match=r"random weights.*--weights FILE\.safetensors"):
        open_model(name)


@pytest.mark.parametrize("ending", [".pth", ".pt", ".bin", ".ckpt"])
def test_a_pickle_is_refused_with_the_line_that_converts_it(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"w{ending}"
    torch.save(factories.Tiny().state_dict(), path)
    with pytest.raises(CheckpointError, match="is a pickle.*convert it once") as caught:
        open_model(f"{HERE}:complete", path)
    code = str(caught.value).split("python -c ")[1].strip("\"'").replace("'w", f"'{tmp_path}/w")
    exec(code)
    assert open_model(f"{HERE}:complete", path.with_suffix(".safetensors")).weights


@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        ("imagnet", ArchitectureError, "did you mean 'imagenet'"),
        ("torchvision:resnet51", ArchitectureError, "nearest: .*resnet50"),
        ("timm:convnext_tyni", ArchitectureError, "nearest: convnext_tiny"),
        (f"{HERE}:absent", ArchitectureError, "could not be called.*absent"),
        ("no.such.module:f", ArchitectureError, "could not be called"),
        (f"{HERE}:nothing", ArchitectureError, "gives int"),
        (f"{HERE}:breaks", ArchitectureError, "RuntimeError: broken"),
        (f"{HERE}:fails", DataError, "no data today"),
    ],
)
def test_a_name_that_gives_no_network_is_refused(
    tmp_path: Path, name: str, error: type[Exception], words: str
) -> None:
    save_file({"x": torch.zeros(1)}, tmp_path / "w.safetensors")
    with pytest.raises(error, match=words):
        open_model(name, tmp_path / "w.safetensors")


def test_weights_that_do_not_fit_or_are_none_are_refused(tmp_path: Path) -> None:
    save_file({"x": torch.zeros(1)}, tmp_path / "other.safetensors")
    (tmp_path / "text.safetensors").write_text("no weights")
    for name, words in [
        ("other", "does not fit Tiny: Missing key"),
        ("text", r"is no \.safetensors file"),
        ("absent", "there is no file"),
    ]:
        with pytest.raises(CheckpointError, match=words):
            open_model(f"{HERE}:complete", tmp_path / f"{name}.safetensors")
