"""Claims: verdicts follow from rules, records notice tampering and age, writers lose nothing."""

import json
import random
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat
import pytest

from xaihelpers import files, networks
from xaihelpers.datasets import chest_xray
from xaihelpers.networks import checkpoints
from xaihelpers.reproduce import (
    chapters,
    claim_digests,
    claim_records,
    claims,
    cli,
    ledger,
    runner,
)
from xaihelpers.reproduce.claim_types import VERDICTS, Claim, ClaimError, Measure, Verdict

LIMIT = 0.5


class Stub:
    """What a claim asks of a data set."""

    split, size, seed = "test", 64, 0

    def __init__(self, name: str = "chest_xray", origin: str = "rendered") -> None:
        self.name, self.origin = name, origin

    def __len__(self) -> int:
        return 5


def above(m: Mapping[str, Measure]) -> Verdict:
    """Confirmed above the limit."""
    return "confirmed" if m["share"].lowest > LIMIT else "refuted"


def below(m: Mapping[str, Measure]) -> Verdict:
    return "confirmed" if m["share"].lowest < LIMIT else "refuted"


@pytest.fixture
def claim(monkeypatch: pytest.MonkeyPatch) -> Claim:
    """C1 with a rule simple enough to see through, in a folder of chapters of its own."""
    simple = replace(claims.CLAIMS["C1"], rule=above, rule_text="above one half", chapter="01_one")
    monkeypatch.setitem(claims.CLAIMS, "C1", simple)
    return simple


@pytest.fixture
def notebooks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "notebooks"
    folder.mkdir()
    write_chapter(folder, "x = 1")
    monkeypatch.setattr(chapters, "notebooks_dir", lambda: folder)
    return folder


def write_chapter(folder: Path, code: str, prose: str = "words", exercise: str = "y = 0") -> None:
    cells = [nbformat.v4.new_markdown_cell(prose), nbformat.v4.new_code_cell(code)]
    cells.append(nbformat.v4.new_code_cell(exercise, metadata={"tags": ["exercise"]}))
    nbformat.write(nbformat.v4.new_notebook(cells=cells), folder / "01_one.ipynb")


def settle(results: Path, share: float = 0.8, name: str = "C1", **options: Any) -> claims.Settled:
    given: dict[str, Any] = {"sources": [Stub()], "seed": 0, "profile": "quick"} | options
    measures = {"share": Measure(share, share - 0.1, share + 0.1, n=5)}
    return claims.settle(name, measures, results=results, **given)


def reasons(results: Path) -> list[str]:
    (settled,) = claims.read(results).values()
    return claim_digests.stale(settled.record, settled.claim, results)


# The claims themselves


def test_all_nineteen_claims_are_there_in_order_with_a_chapter_and_a_rule_in_words() -> None:
    assert list(claims.CLAIMS) == [f"C{number}" for number in range(1, 20)]
    for claim in claims.CLAIMS.values():
        assert claim.chapter[:2].isdigit()
        assert claim.chapter[2] == "_"
        assert len(claim.rule_text) > 20


class AnyMeasures(Mapping[str, Measure]):
    """Every name has a measure, drawn from the seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.drawn: dict[str, Measure] = {}

    def __getitem__(self, name: str) -> Measure:
        if name not in self.drawn:
            middle, half = self.random.uniform(-2, 2), self.random.choice([0.001, 0.5])
            self.drawn[name] = Measure(middle, middle - half, middle + half, n=9)
        return self.drawn[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.drawn)

    def __len__(self) -> int:
        return len(self.drawn)


@pytest.mark.parametrize("name", claims.CLAIMS)
def test_every_rule_gives_a_verdict_for_any_figures(name: str) -> None:
    found = {claims.CLAIMS[name].rule(AnyMeasures(seed)) for seed in range(300)}
    assert found <= set(VERDICTS)


@pytest.mark.parametrize(
    ("accuracy", "real", "by_source", "verdict"),
    [
        (99.0, 0, None, "not testable here"),
        (99.0, 1, None, "confirmed"),
        (95.0, 1, 60.0, "confirmed"),  # the interval holds 95.83
        (99.0, 1, 99.5, "depends"),
        (93.0, 1, 99.5, "refuted"),
    ],
)
def test_c7_needs_real_images_and_more_than_their_source(
    accuracy: float, real: int, by_source: float | None, verdict: str
) -> None:
    measures = {"accuracy": Measure(accuracy, accuracy - 1, accuracy + 1, n=900, unit="%")}
    measures["real_images"] = Measure(real)
    if by_source is not None:
        measures["accuracy_by_source_alone"] = Measure(by_source)
    assert claims.CLAIMS["C7"].judge(measures) == verdict


@pytest.mark.parametrize(
    ("resnet", "over_vgg", "over_resnet", "verdict"),
    [
        (11.1765, (0.01, 0.02), (0.01, 0.02), "confirmed"),
        (11.1765, (0.01, 0.02), (-0.01, 0.02), "depends"),
        (11.1765, (0.01, 0.02), (-0.03, -0.01), "refuted"),
        (11.69, (0.01, 0.02), (0.01, 0.02), "refuted"),
    ],
)
def test_c17_needs_the_counts_and_both_differences(
    resnet: float, over_vgg: tuple[float, float], over_resnet: tuple[float, float], verdict: str
) -> None:
    measures = {
        "parameters_densenet121": Measure(6.957),
        "parameters_vgg16": Measure(138.358),
        "parameters_resnet18": Measure(resnet),
        "accuracy_over_vgg16": Measure(sum(over_vgg) / 2, *over_vgg),
        "accuracy_over_resnet18": Measure(sum(over_resnet) / 2, *over_resnet),
    }
    assert claims.CLAIMS["C17"].judge(measures) == verdict


# Measures and verdicts


def test_a_measure_prints_four_digits_its_interval_and_n() -> None:
    assert str(Measure(0.91234, 0.9, 0.92344, n=900)) == "0.9123 [0.9, 0.9234], n = 900"
    assert str(Measure(134272835, unit="weights")) == "134272835 weights"
    assert str(Measure(float("nan"))) == "not measurable here"


def test_an_interval_has_two_ends_around_its_value() -> None:
    with pytest.raises(ClaimError, match="both low and high"):
        Measure(0.5, low=0.4)
    with pytest.raises(ClaimError, match="outside"):
        Measure(0.5, 0.6, 0.7)


def test_the_verdict_is_what_the_rule_gives(claim: Claim, tmp_path: Path) -> None:
    assert settle(tmp_path, 0.8).verdict == "confirmed"
    assert settle(tmp_path, 0.55).verdict == "refuted"  # its interval reaches below one half
    assert claims.read(tmp_path)["C1/rendered"].verdict == "refuted"


def test_there_is_no_way_to_give_a_record_another_verdict(claim: Claim, tmp_path: Path) -> None:
    settled = settle(tmp_path, 0.2)
    with pytest.raises(AttributeError):
        settled.verdict = "confirmed"  # type: ignore[misc]
    with pytest.raises(TypeError):
        replace(settled, verdict="confirmed")  # type: ignore[call-arg]


def test_what_cannot_be_measured_is_not_testable_here(claim: Claim, tmp_path: Path) -> None:
    unknown = {"share": Measure(float("nan")), "other": Measure(1.0)}
    assert claim.judge(unknown) == "not testable here"
    known = {"share": Measure(0.8), "other": Measure(float("nan"))}
    assert claim.judge(known) == "confirmed"  # the rule does not look at the other
    claims.settle("C1", unknown, sources=[], seed=0, profile="quick", results=tmp_path)
    assert claims.read(tmp_path)["C1/rendered"].verdict == "not testable here"


def test_a_missing_measure_is_named_and_nothing_is_written(claim: Claim, tmp_path: Path) -> None:
    with pytest.raises(ClaimError, match="'share'.*other.*above one half"):
        claims.settle(
            "C1", {"other": Measure(1)}, sources=[], seed=0, profile="quick", results=tmp_path
        )
    with pytest.raises(ClaimError, match="no claim 'C99'"):
        settle(tmp_path, name="C99")
    assert list(tmp_path.iterdir()) == []


def test_a_settled_claim_prints_statement_verdict_figures_and_data(
    claim: Claim, tmp_path: Path
) -> None:
    text = str(settle(tmp_path))
    assert claim.statement in text
    assert "verdict: confirmed" in text
    assert "share = 0.8 [0.7, 0.9], n = 5" in text
    assert "chest_xray (rendered, test, 5 images)" in text


# Tampering


def edited(results: Path, change: dict[str, Any], again: bool = False) -> None:
    """Edit the stored record; `again` gives it a digest that fits."""
    path = results / "claims.json"
    held = json.loads(path.read_text())
    record = held["C1/rendered"] | change
    if again:
        del record["digest"]
        record["digest"] = claim_records._digest(record)
    path.write_text(json.dumps({"C1/rendered": record}))


@pytest.mark.parametrize(
    ("change", "again", "message"),
    [
        ({"verdict": "confirmed"}, False, "changed by hand"),
        ({"verdict": "confirmed"}, True, "says 'confirmed', its rule gives 'refuted'"),
        ({"measures": {"share": {"value": 0.9}}}, False, "changed by hand"),
        ({"measures": {"share": {"value": 0.9}}}, True, "says 'refuted', its rule gives 'confir"),
        ({"data": []}, False, "changed by hand"),
        ({"profile": "full"}, False, "changed by hand"),
    ],
)
def test_a_record_changed_by_hand_is_refused(
    claim: Claim, tmp_path: Path, change: dict[str, Any], again: bool, message: str
) -> None:
    settle(tmp_path, 0.2)
    edited(tmp_path, change, again)
    with pytest.raises(ClaimError, match=message):
        claims.read(tmp_path)
    with pytest.raises(ClaimError, match=message):
        settle(tmp_path)
    with pytest.raises(ClaimError, match=message):
        ledger.text(tmp_path)


def test_a_broken_file_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "claims.json").write_text("{")
    with pytest.raises(ClaimError, match="delete it and settle again"):
        claims.read(tmp_path)


# Ageing


def test_a_new_record_is_not_stale(claim: Claim, notebooks: Path, tmp_path: Path) -> None:
    settle(tmp_path)
    assert reasons(tmp_path) == []


def test_a_rule_changed_after_the_figure_gives_no_verdict(
    claim: Claim, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(tmp_path, 0.2)
    monkeypatch.setitem(claims.CLAIMS, "C1", replace(claim, rule=below))
    assert claims.read(tmp_path)["C1/rendered"].verdict == claim_records.RULE_CHANGED
    assert reasons(tmp_path) == ["the rule changed"]
    monkeypatch.setitem(claims.CLAIMS, "C1", claim)
    monkeypatch.setattr(f"{__name__}.LIMIT", 0.1)  # a constant that the rule reads
    assert reasons(tmp_path) == ["the rule changed"]


def test_changed_code_is_named_but_a_new_docstring_is_not(
    claim: Claim, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "package"
    (package / "cams").mkdir(parents=True)
    source = package / "cams" / "maps.py"
    source.write_text('"""Maps."""\n\ndef rectify(x):\n    """Old words."""\n    return x\n')
    monkeypatch.setattr(chapters, "PACKAGE", package)
    monkeypatch.setattr(
        claim_digests, "code", lambda: {"cams.maps": claim_digests.module("cams.maps")}
    )
    settle(tmp_path / "results")
    source.write_text(
        '"""Maps."""\n\n\n# why\ndef rectify(x):\n    """New words."""\n    return x\n'
    )
    assert reasons(tmp_path / "results") == []
    source.write_text("def rectify(x):\n    return -x\n")
    assert reasons(tmp_path / "results") == ["code changed: cams.maps"]


def test_pictures_are_no_part_of_the_code_and_measuring_packages_are() -> None:
    held = claim_digests.code()
    assert {name.split(".")[0] for name in held} <= set(claim_digests.MEASURING)
    assert {"datasets.chest_xray", "networks.checkpoints"} <= set(held)


def test_a_changed_chapter_is_stale_but_not_for_prose_or_a_solved_exercise(
    claim: Claim, notebooks: Path, tmp_path: Path
) -> None:
    settle(tmp_path)
    write_chapter(notebooks, "x = 1", prose="other words", exercise="y = 42")
    assert reasons(tmp_path) == []
    write_chapter(notebooks, "x = 2")
    assert reasons(tmp_path) == ["chapter 01_one changed"]


def test_a_new_version_of_the_data_is_stale(
    claim: Claim, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(tmp_path)
    monkeypatch.setattr(chest_xray, "VERSION", 99)
    assert reasons(tmp_path) == ["chest_xray is now version 99, was 2"]


def test_another_checkpoint_is_stale(claim: Claim, tmp_path: Path) -> None:
    path = tmp_path / "checkpoints" / "small.safetensors"
    about = {"arch": "efficientnet_b0", "classes": ["a", "b"], "data": {"name": "chest_xray"}}
    card = checkpoints.save(networks.build("efficientnet_b0", 2), path, about)
    settle(tmp_path, sources=[Stub(), card])
    assert reasons(tmp_path) == []
    checkpoints.save(networks.build("efficientnet_b0", 2), path, about)
    (reason,) = reasons(tmp_path)
    assert reason == f"checkpoint {card['sha256'][:12]} (efficientnet_b0) is gone or changed"


def test_a_changed_table_is_stale_and_must_lie_below_the_results(
    claim: Claim, tmp_path: Path
) -> None:
    table = tmp_path / "results" / "tables" / "t.csv"
    table.parent.mkdir(parents=True)
    table.write_text("a\n1\n")
    settle(tmp_path / "results", sources=[Stub(), table])
    assert reasons(tmp_path / "results") == []
    table.write_text("a\n2\n")
    assert reasons(tmp_path / "results") == ["tables/t.csv changed"]
    with pytest.raises(ClaimError, match="not a file below"):
        settle(tmp_path / "elsewhere", sources=[table])


def test_a_quick_run_does_not_replace_a_sound_record_of_a_full_run(
    claim: Claim, notebooks: Path, tmp_path: Path
) -> None:
    settle(tmp_path, 0.8, profile="full")
    assert settle(tmp_path, 0.2).verdict == "refuted"  # what was measured is what is returned
    assert claims.read(tmp_path)["C1/rendered"].record["profile"] == "full"
    write_chapter(notebooks, "x = 2")  # now the full record is stale
    settle(tmp_path, 0.2)
    assert claims.read(tmp_path)["C1/rendered"].record["profile"] == "quick"


# The ledger


def test_the_ledger_lists_every_claim_and_says_which_are_not_settled(
    claim: Claim, tmp_path: Path
) -> None:
    settle(tmp_path)
    text = (tmp_path / "claims.md").read_text()
    rows = [line for line in text.splitlines() if line.startswith("| [**C")]
    assert [row.split("**")[1] for row in rows] == list(claims.CLAIMS)
    assert rows[0].count("not yet settled") == 1  # on real images
    assert all(row.count("not yet settled") == 2 for row in rows[1:])
    for name in claims.CLAIMS:
        assert f"`python -m xaihelpers claims {name}`" in text
    assert text == ledger.text(tmp_path)


def test_a_figure_is_saved_and_shown_in_the_ledger(claim: Claim, tmp_path: Path) -> None:
    from matplotlib.figure import Figure

    settle(tmp_path, figure=Figure((1, 1)))
    assert (tmp_path / "figures" / "claim_C1.png").stat().st_size > 0
    assert "![C1](figures/claim_C1.png)" in (tmp_path / "claims.md").read_text()


def test_rendered_and_real_results_stand_in_columns_of_their_own(
    claim: Claim, tmp_path: Path
) -> None:
    from matplotlib.figure import Figure

    settle(tmp_path, 0.8)
    real = {"sources": [Stub("radiography", "real")], "figure": Figure((1, 1))}
    settle(tmp_path / "real", 0.3, **real)
    settle(tmp_path / "real", 0.9, sources=[Stub()])  # a rendered figure of a run on real data
    text = (tmp_path / "claims.md").read_text()
    row = next(line for line in text.splitlines() if line.startswith("| [**C1**]"))
    rendered, on_real = row.split(" | ")[1:3]
    assert rendered == "**confirmed**: share 0.8 [0.7, 0.9], n = 5 (chest_xray)"
    measured = "**refuted**: share 0.3 [0.2, 0.4], n = 5 (radiography)"
    assert on_real == f"{measured} [picture](real/figures/claim_C1.png)"
    assert "![C1](real/figures/claim_C1.png)" in text
    assert not (tmp_path / "real" / "claims.md").exists()


def test_a_record_is_real_only_if_all_its_data_are(claim: Claim, tmp_path: Path) -> None:
    settled = settle(tmp_path, sources=[Stub("radiography", "real"), Stub()])
    assert settled.record["origin"] == "rendered"


def test_writers_at_the_same_time_lose_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, claim in claims.CLAIMS.items():
        monkeypatch.setitem(claims.CLAIMS, name, replace(claim, rule=above))
    folders = [tmp_path, tmp_path / "real"]
    jobs = [(folder, name) for name in claims.CLAIMS for folder in folders]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda job: settle(job[0], name=job[1], sources=[]), jobs))
    for folder in folders:
        assert list(claims.read(folder)) == [f"{name}/rendered" for name in claims.CLAIMS]
    assert "not yet settled | not yet" not in (tmp_path / "claims.md").read_text()


# The command


def test_claims_prints_the_ledger_in_short_with_stale_marks(
    claim: Claim,
    notebooks: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("XAIHELPERS_HOME", str(tmp_path))
    settle(tmp_path / "results")
    write_chapter(notebooks, "x = 2")
    assert cli.main(["claims"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("C1   rendered: confirmed (stale) ")
    assert len([line for line in lines if "not yet settled" in line]) == 18
    assert "*(stale)*" in (files.results_dir() / "claims.md").read_text()


def test_claims_with_a_name_runs_its_chapter_again_and_prints_the_record(
    claim: Claim,
    notebooks: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("XAIHELPERS_HOME", str(tmp_path))
    stamp = tmp_path / "results" / "chapters" / "01_one.stamp.json"
    stamp.parent.mkdir(parents=True)
    stamp.write_text("{}")
    asked: list[dict[str, Any]] = []
    monkeypatch.setattr(runner, "run", lambda **given: asked.append(given) or 0)
    assert cli.main(["claims", "C1"]) == 1
    assert "01_one has not settled it" in capsys.readouterr().out
    assert not stamp.exists()  # else an unchanged chapter would be kept
    settle(tmp_path / "results")
    assert cli.main(["claims", "C1", "--profile", "full", "--seed", "3"]) == 0
    assert "verdict: confirmed" in capsys.readouterr().out
    assert asked[-1] == {"profile": "full", "seed": 3, "data_root": "", "only": ["01_one"]}


def test_an_unknown_claim_is_answered_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["claims", "C99"]) == 2
    assert capsys.readouterr().err.startswith("error: there is no claim 'C99'; there are C1,")


def test_the_committed_records_follow_from_their_rules() -> None:
    for settled in claims.read(Path(__file__).parents[2] / "results").values():
        assert settled.verdict in (*VERDICTS, claim_records.RULE_CHANGED)
