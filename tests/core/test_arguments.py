"""Values of arguments: what can be used goes on as what is worked with, the rest is named and refused."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal

import pytest

from omniedit.core.arguments import (
    check_able,
    check_count,
    check_text,
    read_budget,
    read_grace,
    read_rate,
    read_seconds,
)
from omniedit.errors import ConfigurationError


class Odd:
    """Says that it is a number, and is none."""

    def __float__(self) -> float:
        raise TypeError


NO_NUMBERS = ["5", b"5", "x", [], object(), Odd(), math.nan, 10**400, "9" * 80]
READERS: list[Callable[[object], object]] = [
    lambda value: read_rate("it", value, "things"),
    lambda value: read_seconds("it", value),
    lambda value: read_seconds("it", value, endless=True),
    read_grace,
    read_budget,
]


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("value", [*NO_NUMBERS, -1])
def test_what_is_no_number_or_below_nothing_is_refused(read: Callable[[object], object], value: object) -> None:
    """With its name, the value as far as it can be shown, and what would be right."""
    with pytest.raises(ConfigurationError, match=r"=.* is no ") as caught:
        read(value)
    assert caught.value.mend
    assert len(caught.value.message) < 80


@pytest.mark.parametrize("value", [3, 3.0, Decimal(3)])
def test_every_kind_of_number_is_read(value: object) -> None:
    """As the float that is worked with."""
    read = [reader(value) for reader in READERS]
    assert read == [3.0] * len(READERS)
    assert {type(number) for number in read} == {float}


def test_none_nothing_and_no_end_are_taken_where_they_mean_something() -> None:
    """No bound, no waiting at all, a budget for nothing, a task that is watched for ever."""
    assert (read_rate("it", None, "things"), read_budget(None)) == (None, None)
    assert (read_grace(0), read_budget(0), read_budget(math.inf)) == (0.0, 0.0, math.inf)
    assert read_seconds("it", math.inf, endless=True) == math.inf
    for wrong in (None, math.inf):
        with pytest.raises(ConfigurationError, match=r"it=.* is no time"):
            read_seconds("it", wrong)
        with pytest.raises(ConfigurationError, match=r"grace=.* is no time"):
            read_grace(wrong)
    with pytest.raises(ConfigurationError, match="it=inf is no rate"):
        read_rate("it", math.inf, "things")


def test_a_bound_is_a_whole_number_of_things() -> None:
    """None is no bound, where there may be none."""
    check_count("it", None)
    check_count("it", 1)
    for wrong in (0, -1, 1.5, "1"):
        with pytest.raises(ConfigurationError, match="it="):
            check_count("it", wrong)
    with pytest.raises(ConfigurationError, match="it=None is no whole number"):
        check_count("it", None, needed=True)


def test_text_is_text_and_a_wrong_value_is_not_shown() -> None:
    """It may be a secret."""
    check_text("it", "words")
    with pytest.raises(ConfigurationError, match="it must be text, not bytes") as caught:
        check_text("it", b"a secret")
    assert "secret" not in str(caught.value)


def test_an_object_can_do_what_it_is_given_for() -> None:
    """The one that cannot is refused by what it lacks."""
    check_able("it", None, "append")
    check_able("it", [], "append", "extend")
    with pytest.raises(ConfigurationError, match=r"it cannot be of the kind tuple, which has no append\(\)"):
        check_able("it", (), "index", "append")
