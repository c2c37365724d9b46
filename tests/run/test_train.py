"""Training on real folders: what is trained, what is kept, and what is said about it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.datasets.layouts import write_aptos, write_radiography
from xaihelpers import networks, setups
from xaihelpers.datasets.records import Record, Source
from xaihelpers.errors import SetupError
from xaihelpers.networks import checkpoints
from xaihelpers.run import train

ARCH = "efficientnet_b0"


@pytest.fixture
def calls(home: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The options of each training, which saves the network as it begins."""
    made: list[dict[str, Any]] = []

    def pretend(name: str, arch: str, *parts: object, **options: Any) -> dict[str, Any]:
        made.append(options | {"images": [len(part) for part in parts]})  # type: ignore[arg-type]
        data = {"name": name, "origin": options["origin"], "version": options["data_version"]}
        metrics = {"accuracy": 0.5, "accuracy_low": 0.2, "accuracy_high": 0.8, "kappa": None}
        card = {"study": name, "arch": arch, "classes": list(options["classes"]), "data": data}
        card |= {"seed": options["seed"], "recipe": options["recipe"].as_dict()}
        card |= {"metrics": metrics | {"n": 6}}
        network = networks.build(arch, len(options["classes"]))
        return checkpoints.save(network, options["output"], card)

    monkeypatch.setattr(networks, "train_shipped", pretend)
    return made


def test_real_data_fine_tune_the_shipped_network_at_its_final_size(
    calls: list[dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_aptos(tmp_path)
    card = train.train("fundus", ARCH, 0, str(tmp_path), "full")
    [made] = calls
    assert made["start"] == setups.checkpoint_path("fundus", ARCH)
    assert made["output"] == setups.checkpoint_path("fundus", ARCH, str(tmp_path))
    assert [cycle.sizes for cycle in made["recipe"].cycles] == [(64,) * 8]
    assert len(made["recipe"].class_weights) == 5
    assert made["images"] == [15, 6, 5]  # the copy stands beside its original
    assert 0 <= card["baseline"]["balanced_accuracy"] <= 1
    assert checkpoints.read_card(made["output"]) == card
    notice = "efficientnet_b0: ImageNet weights cannot be downloaded; starting from fundus_"
    assert [line.startswith(notice) for line in capsys.readouterr().out.splitlines()] == [True]


def test_a_network_of_the_same_images_is_kept_unless_more_is_asked(
    calls: list[dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_aptos(tmp_path)
    card = train.train("fundus", ARCH, 0, str(tmp_path), "full")
    assert train.train("fundus", ARCH, 0, str(tmp_path), "quick") == card
    assert len(calls) == 1
    train.train("fundus", ARCH, 0, str(tmp_path), "gpu")
    assert "was trained for fewer epochs, so it is made again" in capsys.readouterr().out
    assert len(calls) == 2


def test_other_images_or_another_split_are_trained_on_anew(
    calls: list[dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_aptos(tmp_path / "one")
    write_aptos(tmp_path / "two", per_grade=6)
    train.train("fundus", ARCH, 0, str(tmp_path / "one"), "quick")
    train.train("fundus", ARCH, 0, str(tmp_path / "two"), "quick")
    assert "saw other images, so it is made again" in capsys.readouterr().out
    train.train("fundus", ARCH, 1, str(tmp_path / "two"), "quick")
    assert "so it is made again" in capsys.readouterr().out
    assert len({str(made["work"]) for made in calls}) == 3  # no run goes on from another's state


def test_a_damaged_network_is_made_again(calls: list[dict[str, Any]], tmp_path: Path) -> None:
    write_radiography(tmp_path)
    train.train("chest_xray", ARCH, 0, str(tmp_path), "quick")
    setups.checkpoint_path("chest_xray", ARCH, str(tmp_path)).write_bytes(b"torn")
    train.train("chest_xray", ARCH, 0, str(tmp_path), "quick")
    assert len(calls) == 2


def test_the_command_trains_what_the_data_root_holds(
    calls: list[dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_radiography(tmp_path, "first")
    assert train.run(None, None, 0, str(tmp_path), "quick") == 0
    assert [made["origin"] for made in calls] == ["real"]
    assert (
        "radiography efficientnet_b0: accuracy 0.500 [0.200, 0.800], quadratic kappa undefined"
        in (capsys.readouterr().out)
    )
    with pytest.raises(SetupError, match="does not hold the real data of fundus"):
        train.run("fundus", None, 0, str(tmp_path), "quick")


def test_a_setup_that_does_not_exist_is_refused(home: Path) -> None:
    with pytest.raises(SetupError, match="unknown setup 'nope': expected one of fundus"):
        train.run("nope", None, 0, "", "quick")


def test_a_network_that_the_setup_lacks_is_refused(home: Path) -> None:
    with pytest.raises(SetupError, match="no network 'resnet50' in setup 'fundus'"):
        train.train("fundus", "resnet50", 0, "", "quick")


def toy(split: str, labels: tuple[int, ...], classes: tuple[str, ...]) -> Source:
    def make(item: tuple[int, int]) -> Record:
        image = np.full((8, 8, 3), 60 * item[1], np.uint8)
        image[0, 0] = item[0]
        return Record(image, item[1])

    items = list(enumerate(labels))
    return Source("toy", "real", classes, split, 8, 0, np.array(labels), items, make, 1)


def test_one_class_alone_is_refused_and_a_missing_one_named(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    classes = ("a", "b", "c")
    with pytest.raises(SetupError, match="training part of toy shows one class only"):
        train._fine_tuning("fundus", ARCH, toy("train", (1, 1), classes), "quick")
    options = train._fine_tuning("fundus", ARCH, toy("train", (0, 1, 1), classes), "quick")
    assert options["recipe"].class_weights[2] == 0
    assert "toy: no training image of c" in capsys.readouterr().out


@pytest.mark.parametrize(("labels", "accuracy"), [((0, 0, 0), 1 / 3), ((0, 0, 1), 1 / 4)])
def test_the_baseline_copes_with_a_test_part_that_lacks_a_class(
    labels: tuple[int, ...], accuracy: float
) -> None:
    classes = ("a", "b", "c")
    looks = toy("test", (0, 2, 2), classes)
    found = train.baseline(
        toy("train", (0, 1, 2) * 4, classes), replace(looks, labels=np.array(labels))
    )
    assert found == {
        "balanced_accuracy": pytest.approx(accuracy),
        "chance": pytest.approx(1 / 3),
    }


def test_a_variant_shares_the_recipe_of_its_base_and_changes_only_its_data(
    calls: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, Any]] = []

    def load(name: str, **options: Any) -> Source:
        asked.append({"name": name} | options)
        record = Record(np.zeros((64, 64, 3), np.uint8), 0)
        labels = np.zeros(6, np.int64)
        split, made = options["split"], lambda _: record
        return Source(name, "rendered", ("a", "b"), split, 64, 0, labels, range(6), made, 2)

    shared = replace(setups.VARIANTS["chest_marker"], archs=(ARCH,))
    monkeypatch.setitem(setups.VARIANTS, "chest_marker", shared)
    monkeypatch.setattr(train.datasets, "load", load)
    monkeypatch.setattr(train, "baseline", lambda *_: {})
    card = train.train("chest_marker", ARCH, 0, "", "quick")
    assert {options["name"] for options in asked} == {"chest_xray"}
    assert {options["marker_correlation"] for options in asked} == {1.0}
    [made] = calls
    assert made["recipe"] is networks.SHIPPED["chest_xray", ARCH]
    assert made["output"].name == f"chest_marker_{ARCH}.safetensors"
    assert card["data"] == {"name": "chest_marker", "origin": "rendered", "version": 2}


def test_variants_are_trained_with_the_setups_unless_the_data_are_real(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    trained: list[str] = []

    def pretend(name: str, *_: object) -> dict[str, Any]:
        trained.append(name)
        metrics = {"accuracy": 0, "accuracy_low": 0, "accuracy_high": 0, "kappa": None, "n": 1}
        return {"study": name, "metrics": metrics, "data": {"origin": "rendered"}}

    monkeypatch.setattr(train, "train", pretend)
    train.run(None, ARCH, 0, "", "quick")
    assert trained == [*setups.SETUPS, *setups.VARIANTS]
    write_aptos(tmp_path)
    trained.clear()
    train.run(None, ARCH, 0, str(tmp_path), "quick")
    assert trained == ["fundus"]
