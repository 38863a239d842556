"""A dictionary that forgets: what was used lately, up to a bound."""

from __future__ import annotations

from typing import Generic, TypeVar

__all__ = ["Recent"]

K = TypeVar("K")
V = TypeVar("V")


class Recent(Generic[K, V]):
    """Keeps the `bound` values that were used last."""

    def __init__(self, bound: int) -> None:
        self._bound = bound
        self._values: dict[K, V] = {}

    def get(self, key: K) -> V | None:
        """The value, which is then the one used last; None when it is not there (any more)."""
        value = self._values.pop(key, None)
        if value is not None:
            self._values[key] = value
        return value

    def put(self, key: K, value: V) -> V:
        """Keep a value, and forget another one when there are too many."""
        self._values[key] = value
        if len(self._values) > self._bound:
            del self._values[next(iter(self._values))]
        return value

    def clear(self) -> None:
        """Forget everything."""
        self._values.clear()
