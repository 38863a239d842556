"""What the sandbox needs to make and edit clips, asked for before anything starts."""

from __future__ import annotations

from importlib import import_module

from omniedit.errors import ConfigurationError

__all__ = ["check_editing"]


def check_editing() -> None:
    """Make sure that clips can be made and edited on this machine.

    Raises:
        ConfigurationError: PyAV is not installed (`extra_missing`).
    """
    try:
        import_module("av")
    except ImportError:
        raise ConfigurationError(
            "making and editing clips needs PyAV, which is not installed",
            mend='install it with: pip install "omniedit[sandbox]"',
            code="extra_missing",
        ) from None
