"""What messages are made of."""

from collections.abc import Sequence
from typing import Any


def shorten(names: Sequence[Any], most: int = 4) -> str:
    """The first of some names, or of other values."""
    return ', '.join(map(str, names[:most])) + (', ...' if len(names) > most else '')
