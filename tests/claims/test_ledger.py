"""The ledger: it ages with what it rests on, writers lose nothing, and the command renews it."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.cases.claim_case import Stub, above, below, reasons, settle, write_chapter
from xaihelpers import files, networks
from xaihelpers.chapters import files as chapters
from xaihelpers.chapters import runner
from xaihelpers.claims import Amendment, Claim, Judgement, Measure, digests, records, rules
from xaihelpers.datasets.rendered import chest as chest_xray
from xaihelpers.errors import ClaimError
from xaihelpers.experiments import CLAIMS, LEDGER
from xaihelpers.networks import checkpoints
from xaihelpers.run import cli

GAIN = rules.Effect(smallest=0.5, margin=0.3)

# Ageing


def test_a_new_record_is_not_stale(claim: Claim, notebooks: Path, tmp_path: Path) -> None:
    settle(tmp_path)
    assert reasons(tmp_path) == []


def test_a_rule_changed_after_the_figure_gives_no_verdict(
    claim: Claim, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(tmp_path, 0.2)
    monkeypatch.setitem(CLAIMS, "C1", replace(claim, rule=below))
    assert LEDGER.read(tmp_path)["C1/rendered"].verdict == records.RULE_CHANGED
    assert reasons(tmp_path) == ["the rule changed"]
    monkeypatch.setitem(CLAIMS, "C1", claim)
    monkeypatch.setattr("tests.cases.claim_case.LIMIT", 0.1)  # a constant that the rule reads
    assert reasons(tmp_path) == ["the rule changed"]


def test_a_changed_helper_of_another_module_changes_the_rules_that_reach_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def at_least(measure: Measure, bound: float) -> bool:
        return measure.lowest >= bound

    before = {name: digests.rule(CLAIMS[name]) for name in ("C9", "C10", "C11", "C12")}
    monkeypatch.setattr("xaihelpers.experiments.objects.claims.above", at_least)
    after = {name: digests.rule(CLAIMS[name]) for name in before}
    assert {name for name in before if before[name] != after[name]} == {"C10", "C11", "C12"}


def test_records_of_c10_lose_their_verdict_when_above_is_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measures = {
        name.format(network="resnet18"): Measure(0.8, 0.7, 0.9) for name in CLAIMS["C10"].measures
    }
    rest: dict[str, Any] = {"seed": 0, "profile": "quick", "results": tmp_path}
    LEDGER.settle("C10", measures, sources=[], **rest)
    assert LEDGER.read(tmp_path)["C10/rendered"].verdict == "refuted"
    monkeypatch.setattr("xaihelpers.experiments.objects.claims.above", rules.below)
    assert LEDGER.read(tmp_path)["C10/rendered"].verdict == records.RULE_CHANGED


def test_a_folder_counts_whole_with_its_init_and_without_its_claims(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "experiments" / "marker"
    folder.mkdir(parents=True)
    for name in ("__init__", "measure", "claims"):
        (folder / f"{name}.py").write_text("x = 1\n")
    (tmp_path / "setups.py").write_text("x = 1\n")
    monkeypatch.setattr(chapters, "PACKAGE", tmp_path)
    before = {name: digests.part(name) for name in ("experiments.marker", "setups")}
    (folder / "claims.py").write_text("x = 22\n")
    assert digests.part("experiments.marker") == before["experiments.marker"]
    (folder / "__init__.py").write_text("x = 22\n")
    assert digests.part("experiments.marker") != before["experiments.marker"]
    (tmp_path / "setups.py").write_text("x = 22\n")
    assert digests.part("setups") != before["setups"]
    assert digests.part("nowhere") == ""


def test_changed_code_is_named_but_a_new_docstring_is_not(
    claim: Claim, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "package"
    (package / "cams").mkdir(parents=True)
    source = package / "cams" / "maps.py"
    source.write_text('"""Maps."""\n\ndef rectify(x):\n    """Old words."""\n    return x\n')
    monkeypatch.setattr(chapters, "PACKAGE", package)
    monkeypatch.setattr(digests, "code", lambda: {"cams": digests.part("cams")})
    settle(tmp_path / "results")
    source.write_text(
        '"""Maps."""\n\n\n# why\ndef rectify(x):\n    """New words."""\n    return x\n'
    )
    assert reasons(tmp_path / "results") == []
    source.write_text("def rectify(x):\n    return -x\n")
    assert reasons(tmp_path / "results") == ["code changed: cams"]


def test_pictures_are_no_part_of_the_code_and_measuring_packages_are() -> None:
    code = digests.code()
    assert {name.split(".")[0] for name in code} <= set(digests.MEASURING)
    assert {"datasets.rendered.chest", "networks"} <= set(code)


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
    assert LEDGER.read(tmp_path)["C1/rendered"].record["profile"] == "full"
    write_chapter(notebooks, "x = 2")  # now the full record is stale
    settle(tmp_path, 0.2)
    assert LEDGER.read(tmp_path)["C1/rendered"].record["profile"] == "quick"


# The ledger


def test_the_ledger_lists_every_claim_and_says_which_are_not_settled(
    claim: Claim, tmp_path: Path
) -> None:
    settle(tmp_path)
    text = (tmp_path / "claims.md").read_text()
    rows = [line for line in text.splitlines() if line.startswith("| [**C")]
    assert [row.split("**")[1] for row in rows] == list(CLAIMS)
    assert rows[0].count("not yet settled") == 1  # on real images
    assert all(row.count("not yet settled") == 2 for row in rows[1:])
    for name in CLAIMS:
        assert f"`python -m xaihelpers claims {name}`" in text
    assert text == LEDGER.text(tmp_path)


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
    for name, claim in CLAIMS.items():
        monkeypatch.setitem(CLAIMS, name, replace(claim, rule=above, measures=("share",)))
    folders = [tmp_path, tmp_path / "real"]
    jobs = [(folder, name) for name in CLAIMS for folder in folders]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda job: settle(job[0], name=job[1], sources=[]), jobs))
    for folder in folders:
        assert list(LEDGER.read(folder)) == [f"{name}/rendered" for name in CLAIMS]
    assert "not yet settled | not yet" not in (tmp_path / "claims.md").read_text()


def test_the_page_shows_the_reason_and_the_figure_that_decided(
    claim: Claim, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def judged(measures: rules.Measures) -> Judgement:
        parts = {name: GAIN.judge(measures, name) for name in ("share", "other")}
        return rules.across(parts)

    monkeypatch.setitem(CLAIMS, "C1", replace(claim, rule=judged, measures=("share", "other")))
    measures = {"share": Measure(0.6, 0.4, 0.7), "other": Measure(0.1, 0.0, 0.2, n=9, trainings=5)}
    rest: dict[str, Any] = {"seed": 0, "profile": "quick", "results": tmp_path}
    LEDGER.settle("C1", measures, sources=[], **rest)
    page = (tmp_path / "claims.md").read_text()
    assert "**undecided: refuted for other; undecided for share**: share 0.6 [0.4, 0.7]" in page
    assert "| other | 0.1 [0, 0.2], n = 9, 5 trainings |" in page
    assert LEDGER.read(tmp_path)["C1/rendered"].verdict == "undecided"


def test_the_page_shows_what_was_amended_after_a_figure_was_seen(
    claim: Claim, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    amendment = Amendment(when="2026-11-21", what="80 images became 160", verdict_before="refuted")
    monkeypatch.setitem(CLAIMS, "C1", replace(claim, amendments=(amendment,)))
    page = LEDGER.text(tmp_path)
    row = next(line for line in page.splitlines() if line.startswith("| [**C1**]"))
    assert row.split(" | ")[3] == "2026-11-21"
    assert "- Amended on 2026-11-21: 80 images became 160. Verdict before: refuted." in page


# The command


@pytest.fixture
def results(claim: Claim, notebooks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The results of a home where nothing but C1, of a chapter of its own, can be settled."""
    monkeypatch.setenv("XAIHELPERS_HOME", str(tmp_path))
    return tmp_path / "results"


def test_claims_prints_the_ledger_in_short_with_stale_marks(
    results: Path, notebooks: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settle(results)
    write_chapter(notebooks, "x = 2")
    assert cli.main(["claims"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("C1   rendered: confirmed (stale) ")
    assert len([line for line in lines if "not yet settled" in line]) == 18
    assert "*(stale)*" in (files.results_dir() / "claims.md").read_text()


def test_claims_with_a_name_runs_its_chapter_again_and_prints_the_record(
    results: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stamp = results / "chapters" / "01_one.stamp.json"
    stamp.parent.mkdir(parents=True)
    stamp.write_text("{}")
    asked: list[dict[str, Any]] = []
    monkeypatch.setattr(runner, "run", lambda **given: asked.append(given) or 0)
    assert cli.main(["claims", "C1"]) == 1
    assert "01_one has not settled it" in capsys.readouterr().out
    assert not stamp.exists()  # else an unchanged chapter would be kept
    settle(results)
    assert cli.main(["claims", "C1", "--profile", "full", "--seed", "3"]) == 0
    assert "verdict: confirmed" in capsys.readouterr().out
    assert asked[-1] == {"profile": "full", "seed": 3, "data_root": "", "only": ["01_one"]}


def test_an_unknown_claim_is_answered_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["claims", "C99"]) == 2
    assert capsys.readouterr().err.startswith("error: there is no claim 'C99'; there are C1,")
