"""Names of measures: what must be there, what may be, and what belongs together."""

import pytest

from xaihelpers.claims import names


@pytest.mark.parametrize(
    ("needed", "given", "problems"),
    [
        (["share"], ["share"], []),
        (["share"], [], ['the measure "share" is missing']),
        (["share"], ["share", "shares"], ['no measure is called "shares"']),
        (["{net}: gain"], ["a: gain", "b: gain"], []),
        (["{net}: gain"], [], ['the measure "{net}: gain" is missing']),
        (
            ["{net}: gain", "{net}: price"],
            ["a: gain", "a: price", "b: gain"],
            ['the measure "b: price" is missing'],
        ),
        (["{net} {layer}: energy"], ["vgg19 raw conv: energy"], []),
        (["{net}: price of 15 %"], ["a: price of 15 %"], []),  # no sign of a pattern's language
        (["a.b"], ["axb"], ['the measure "a.b" is missing', 'no measure is called "axb"']),
    ],
)
def test_what_is_wrong_with_names(needed: list[str], given: list[str], problems: list[str]) -> None:
    assert names.problems(needed, [], given) == problems


def test_optional_measures_may_be_there_or_not() -> None:
    assert names.problems(["share"], ["{net}: area"], ["share"]) == []
    assert names.problems(["share"], ["{net}: area"], ["share", "vgg19: area"]) == []
