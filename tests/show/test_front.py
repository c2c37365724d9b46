"""The front picture: each question's heat lies in its own quarter, and the picture says so."""

import pytest

from xaihelpers.datasets.real.photographs import NO_STATEMENT, PHOTOGRAPHS
from xaihelpers.show import front


@pytest.fixture(scope="module")
def questions() -> list[front.Question]:
    return front.ask()


def test_each_question_finds_its_own_quarter(questions: list[front.Question]) -> None:
    assert [question.name for question in questions] == ["tabby", "espresso", "missile", "palace"]
    for quarter, question in enumerate(questions):
        assert sum(question.shares) == pytest.approx(1, abs=1e-5)
        assert question.shares[quarter] > 0.7


def test_the_picture_is_large_and_prints_every_share(questions: list[front.Question]) -> None:
    figure = front.front_figure()
    figure.canvas.draw()
    panels = [ax for ax in figure.axes if ax.images]
    assert len(panels) == 4
    for ax, question in zip(panels, questions, strict=True):
        assert ax.get_window_extent().width >= 600
        assert question.name in ax.get_title()
        for share in question.shares:
            assert f"{100 * share:.0f} %" in ax.get_xlabel()


def test_every_photograph_has_a_licence_and_its_credit_is_printed() -> None:
    (credits,) = [text.get_text() for text in front.front_figure().texts]
    for name in front.NAMES:
        assert PHOTOGRAPHS[name].licence != NO_STATEMENT
        assert PHOTOGRAPHS[name].credit in credits
