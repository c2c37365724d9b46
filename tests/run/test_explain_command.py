"""The shell explains files and folders: resumes, counts broken files, refuses wrong requests."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from xaihelpers import explain_image
from xaihelpers.run import cli
from xaihelpers.show.picture import result
from xaihelpers.show.picture.models import open_model

MODEL = "tests.show.picture.factories:complete"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three pictures, two of them with the same stem, one below, and a broken file."""
    (tmp_path / "in" / "deep").mkdir(parents=True)
    generator = np.random.default_rng(0)
    for name in ("a.png", "a.jpg", "deep/a.png"):
        pixels = generator.integers(0, 255, (40, 50, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "in" / name)
    (tmp_path / "in" / "broken.png").write_bytes(b"no picture")
    (tmp_path / "in" / "notes.txt").touch()
    return tmp_path


def explain(folder: Path, *more: str, pictures: str = "in", model: str = MODEL) -> int:
    out = str(folder / "out")
    return cli.main(["explain", str(folder / pictures), "--model", model, "--save", out, *more])


def report(folder: Path) -> dict[str, dict[str, object]]:
    return json.loads((folder / "out" / "explanations.json").read_text())


def test_a_folder_is_explained_and_the_broken_file_is_counted(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert explain(folder, "--methods", "grad_cam,hires_cam", "--target", "tabby") == 1
    said = capsys.readouterr()
    assert "3 of 4 pictures explained" in said.out
    assert "layer: cells" in said.out
    assert "left out: broken.png is not an image" in said.err
    stored = report(folder)
    assert set(stored["pictures"]) == {"a_png", "a_jpg", "deep/a", "broken"}
    assert stored["settings"]["layer"] == "cells"
    assert {"xaihelpers", "torch"} <= set(stored["settings"]["versions"])
    entry = stored["pictures"]["deep/a"]
    assert [row["target"] for row in entry["maps"]] == ["tabby", "tabby"]
    opened = open_model(MODEL)
    shown = explain_image(
        opened.model,
        folder / "in" / "deep" / "a.png",
        2,
        layer="cells",
        methods=["grad_cam", "hires_cam"],
        transform=opened.transform,
    )
    for row, method in zip(entry["maps"], ("grad_cam", "hires_cam"), strict=True):
        raw = np.load(folder / "out" / row["raw"])
        torch.testing.assert_close(torch.from_numpy(raw), shown.explanation.raw[method][0])
    with Image.open(folder / "out" / "deep" / "a.png") as overlay:
        assert overlay.width > 600


def test_a_second_run_explains_only_what_is_new(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "in" / "broken.png").unlink()
    assert explain(folder) == 0
    times = {path: path.stat().st_mtime_ns for path in (folder / "out").rglob("*.png")}
    Image.new("RGB", (40, 50), "red").save(folder / "in" / "a.jpg")
    (folder / "out" / "deep" / "a.png").unlink()
    capsys.readouterr()
    assert explain(folder) == 0
    assert "3 of 3 pictures explained, 1 of them before" in capsys.readouterr().out
    kept = folder / "out" / "a_png.png"
    assert kept.stat().st_mtime_ns == times[kept]
    assert (folder / "out" / "deep" / "a.png").exists()
    assert explain(folder, "--target", "dog") == 0
    assert kept.stat().st_mtime_ns != times[kept], "another question is another result"


def test_an_interrupted_run_keeps_what_it_has(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    saved: list[Path] = []
    save = result.ExplainedImage.save

    def stop_at_the_second(self: result.ExplainedImage, path: Path) -> Path:
        if saved:
            raise KeyboardInterrupt
        saved.append(path)
        return save(self, path)

    monkeypatch.setattr(result.ExplainedImage, "save", stop_at_the_second)
    assert explain(folder) == 130
    assert len(report(folder)["pictures"]) == 1
    monkeypatch.undo()
    assert explain(folder) == 1
    assert "3 of 4 pictures explained, 1 of them before" in capsys.readouterr().out


def test_one_picture_says_its_class(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert explain(folder, pictures="in/a.png") == 0
    assert "grad_cam: " in capsys.readouterr().out
    assert (folder / "out" / "a_grad_cam.npy").exists()


def test_several_targets_have_a_raw_map_each(folder: Path) -> None:
    assert explain(folder, "--target", "cat", "1", pictures="in/a.png") == 0
    names = {path.name for path in (folder / "out").glob("*.npy")}
    assert names == {"a_cat_grad_cam.npy", "a_dog_grad_cam.npy"}


def test_class_names_come_from_a_file(folder: Path) -> None:
    (folder / "names.txt").write_text("x\ny\nz\n")
    names = str(folder / "names.txt")
    assert explain(folder, "--classes", names, "--target", "z", pictures="in/a.png") == 0
    assert report(folder)["pictures"]["a"]["maps"][0]["target"] == "z"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"pictures": "absent.png"}, "there is no file or folder"),
        ({"pictures": "empty"}, "holds no picture"),
        ({"pictures": "in/broken.png"}, "none of the pictures can be read; .*not an image"),
        ({"model": "torchvision:resnet50"}, "random weights"),
        ({"more": ["--target", "tabbi"]}, "'tabbi'.*'tabby'"),
        ({"more": ["--layer", "cels"]}, "nearest: cells"),
        ({"more": ["--methods", "grad_kam"]}, "grad_cam"),
        ({"more": ["--weights", "w.pth"]}, "is a pickle"),
        ({"more": ["--classes", "absent.txt"]}, "absent.txt cannot be read"),
    ],
)
def test_a_wrong_request_is_one_line_and_leaves_no_result(
    folder: Path,
    change: dict[str, object],
    words: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (folder / "empty").mkdir()
    more = change.pop("more", [])
    assert explain(folder, *more, **change) == 2
    (line,) = [x for x in capsys.readouterr().err.splitlines() if x.startswith("error: ")]
    assert re.search(words, line)
    assert not (folder / "out").exists()


def test_a_folder_that_cannot_be_written_says_so(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "out").touch()
    assert explain(folder) == 2
    assert "cannot write" in capsys.readouterr().err
