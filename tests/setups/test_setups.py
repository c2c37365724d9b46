"""A study opens its own data and its own network, or says why it cannot."""

import shutil
from pathlib import Path

import pandas as pd
import pytest

from tests.datasets.layouts import cut, write_aptos, write_radiography
from xaihelpers import networks
from xaihelpers import setups as studies
from xaihelpers.datasets import DataError
from xaihelpers.datasets.real import aptos, radiography
from xaihelpers.datasets.rendered import chest as chest_xray
from xaihelpers.datasets.rendered import fundus, scenes
from xaihelpers.errors import SetupError
from xaihelpers.networks import checkpoints
from xaihelpers.setups import data_name, open_setup

ARCH = "efficientnet_b0"


def store(root: Path, seed: int = 0, version: int | str | None = None, **notes: object) -> Path:
    """A random network, as if trained on the APTOS folder under `root`."""
    skip_bad = bool(notes.get("skip_bad", False))
    found = version or studies.data_version("fundus", str(root), seed, skip_bad)
    data = {"name": "aptos", "origin": "real", "version": found}
    card = {"arch": ARCH, "classes": list(aptos.GRADES), "data": data, "seed": seed} | notes
    path = studies.checkpoint_path("fundus", ARCH, str(root))
    checkpoints.save(networks.build(ARCH, 5), path, card)
    return path


def test_rendered_and_real_classes_agree_so_that_a_trained_head_keeps_its_meaning() -> None:
    assert fundus.CLASSES == aptos.GRADES
    assert radiography.CLASSES[:3] == chest_xray.CLASSES


def test_real_data_take_the_place_of_rendered_ones_where_they_are(tmp_path: Path) -> None:
    write_aptos(tmp_path)
    root = str(tmp_path)
    assert (data_name("fundus"), data_name("fundus", root)) == ("fundus", "aptos")
    assert data_name("chest_xray", root) == "chest_xray"
    assert studies.present() == ("fundus", "chest_xray", "scenes")
    assert studies.present(root) == ("fundus",)


def test_a_study_without_a_real_set_stays_rendered_and_is_not_trained_on_real_data(
    tmp_path: Path,
) -> None:
    write_aptos(tmp_path)
    write_radiography(tmp_path, "2021", per_class=1)
    assert data_name("scenes", str(tmp_path)) == "scenes"
    assert studies.present(str(tmp_path)) == ("fundus", "chest_xray")
    assert studies.data_version("scenes", str(tmp_path)) == scenes.VERSION


@pytest.mark.parametrize("release", ["first", "interim", "2021"])
def test_every_release_of_the_radiographs_is_found(release: str, tmp_path: Path) -> None:
    write_radiography(tmp_path, release, per_class=1)
    assert studies.present(str(tmp_path)) == ("chest_xray",)


def test_a_data_root_without_real_data_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="holds no real data.*aptos2019"):
        data_name("fundus", str(tmp_path))
    with pytest.raises(SetupError, match="is not a folder"):
        data_name("fundus", str(tmp_path / "nowhere"))
    with pytest.raises(SetupError, match="unknown setup 'aptos'"):
        data_name("aptos")


def test_networks_of_real_data_stand_apart(home: Path, tmp_path: Path) -> None:
    write_aptos(tmp_path)
    shipped = studies.checkpoint_path("fundus", ARCH)
    real = studies.checkpoint_path("fundus", ARCH, str(tmp_path))
    assert shipped == home / "results/checkpoints/fundus_efficientnet_b0.safetensors"
    assert real == home / "results/real/checkpoints/aptos_efficientnet_b0.safetensors"


def test_the_version_of_real_data_follows_content_not_place(home: Path, tmp_path: Path) -> None:
    folder = write_aptos(tmp_path / "one")
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    one, two = (studies.data_version("fundus", str(tmp_path / name)) for name in ("one", "two"))
    assert one == two
    table = pd.read_csv(folder / "train.csv", dtype=str)
    table.loc[3, "diagnosis"] = "4"
    table.to_csv(folder / "train.csv", index=False)
    assert studies.data_version("fundus", str(tmp_path / "one")) != two
    assert studies.data_version("fundus") == fundus.VERSION


def test_a_network_of_another_folder_is_refused(home: Path, tmp_path: Path) -> None:
    write_aptos(tmp_path)
    store(tmp_path, version="0123456789ab")
    with pytest.raises(SetupError, match="other images.*xaihelpers train fundus efficientnet_b0"):
        open_setup("fundus", ARCH, str(tmp_path))


def test_a_network_that_is_not_trained_yet_names_the_command(home: Path, tmp_path: Path) -> None:
    write_aptos(tmp_path)
    with pytest.raises(SetupError, match="train fundus efficientnet_b0 --data-root"):
        open_setup("fundus", ARCH, str(tmp_path))
    with pytest.raises(SetupError, match="has efficientnet_b0, not 'vgg19'"):
        open_setup("fundus", "vgg19")


def test_real_data_are_divided_as_the_network_saw_them(home: Path, tmp_path: Path) -> None:
    write_aptos(tmp_path)
    store(tmp_path, seed=3)
    assert open_setup("fundus", ARCH, str(tmp_path)).data.seed == 3


def test_a_bad_file_is_named_unless_the_network_was_trained_without_it(
    home: Path, tmp_path: Path
) -> None:
    folder = write_aptos(tmp_path)
    cut(folder / "train_images" / "2e0000000002.png")
    with pytest.raises(DataError, match=r"2e0000000002\.png: truncated"):
        studies.load_data("fundus", "test", str(tmp_path))
    store(tmp_path, skip_bad=True)
    study = open_setup("fundus", ARCH, str(tmp_path))
    assert "1 truncated" in study.data.report
    assert study.data.origin == "real"


def test_an_experiment_changes_one_thing_about_the_data_of_its_study() -> None:
    linked = studies.load_data("chest_marker", "test", size=64, limit=6, cache=False)
    by_lot = studies.load_data("chest_xray", "test", size=64, limit=6, cache=False)
    texts = [linked[i].meta["marker"] == "AP PORTABLE" for i in range(6)]
    assert texts == [i % 3 == 2 for i in range(6)]
    for one, other in ((linked[i], by_lot[i]) for i in range(6)):
        outside = ~(one.masks["marker"] | other.masks["marker"])
        assert (one.image[outside] == other.image[outside]).all()
    for name, experiment in studies.VARIANTS.items():
        assert studies.data_version(name) == chest_xray.VERSION
        assert all((experiment.base, arch) in networks.SHIPPED for arch in experiment.archs)
    assert studies.load_data("chest_lot_small", "test", limit=1)[0].image.shape == (128, 128, 3)
    assert studies.checkpoint_path("chest_marker", "densenet121").name == (
        "chest_marker_densenet121.safetensors"
    )
