"""The pages: every named test exists, every table and number is the measured one, links hold."""

import ast
import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("method_cards", "which_layer", "troubleshooting")
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
DECIMAL = re.compile(r"\d+\.\d+")


def page(name: str) -> str:
    return (ROOT / "docs" / f"{name}.md").read_text()


def functions(path: str) -> set[str]:
    """Names of the test functions of a file, read without running it."""
    tree = ast.parse((ROOT / path).read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


@pytest.fixture(scope="module")
def tables() -> ModuleType:
    """`docs/tables.py`, which is a script and no package."""
    spec = importlib.util.spec_from_file_location("tables", ROOT / "docs" / "tables.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", PAGES)
def test_every_named_test_exists(name: str) -> None:
    named = NAMED.findall(page(name))
    assert named
    missing = [f"{path}::{test}" for path, test in named if test not in functions(path)]
    assert not missing


def test_every_answer_names_a_test() -> None:
    _, *answers = re.split(r"^### ", page("troubleshooting"), flags=re.MULTILINE)
    assert len(answers) >= 20
    silent = [answer.splitlines()[0] for answer in answers if not NAMED.search(answer)]
    assert not silent


def test_every_card_says_what_a_card_says() -> None:
    _, *cards = re.split(r"^## ", page("method_cards").split("## Cheaper")[0], flags=re.MULTILINE)
    assert len(cards) == 9
    for card in cards:
        for part in ("What.", "Use it when", "Layer.", "Takes for granted", "Fails", "Tests."):
            assert f"**{part}**" in card, card.splitlines()[0]
        assert NAMED.search(card)


def test_every_table_of_a_page_is_the_one_of_the_results(tables: ModuleType) -> None:
    stale = [
        name
        for name in tables.PAGES
        if tables.filled((ROOT / name).read_text()) != (ROOT / name).read_text()
    ]
    assert not stale, "run `python docs/tables.py`"


def test_every_number_in_the_words_on_layers_is_measured() -> None:
    words = re.sub(r"<!-- table: .*?<!-- end -->", "", page("which_layer"), flags=re.DOTALL)
    table = pd.read_csv(
        ROOT / "results" / "tables" / "which_layer.csv", dtype=str, keep_default_na=False
    )
    known = {
        f"{float(number):.{places}f}"
        for number in DECIMAL.findall(" ".join(table.to_numpy().flatten()))
        for places in (1, 2, 3)
    }
    told = DECIMAL.findall(re.sub(r"`[^`]*`", "", words))
    assert told
    assert set(told) <= known


@pytest.mark.parametrize("name", PAGES)
def test_links_to_files_hold(name: str) -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)", page(name)):
        assert (ROOT / "docs" / target).exists(), target


def test_a_missing_table_says_how_to_measure_it(
    tables: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tables, "TABLES", tmp_path)
    for name in set(tables.BLOCKS) - {"chapters"}:
        assert "Not measured yet" in tables.BLOCKS[name](), name


def test_the_list_of_chapters_says_the_times_that_the_chapters_say(tables: ModuleType) -> None:
    listed = (ROOT / "notebooks" / "README.md").read_text()
    rows = re.findall(r"^\| \[(\d\d) .*?\| (\d+ s) \|", listed, flags=re.MULTILINE)
    opened = re.findall(r"\[(\d\d) [^]]+\]\([^)]+\) \((\d+ s)\)", tables.chapters())
    assert rows
    assert rows == opened
