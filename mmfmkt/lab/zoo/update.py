"""Bringing the zoo up to date."""

from __future__ import annotations

from pathlib import Path

from .metafile import write_metafile
from .pair_configs import read_pairs, write_configs


def update_zoo(configs: Path) -> list[str]:
    """Write the configs that pairs lack, and the metafile of all; returns the names of those that were missing."""
    pairs = read_pairs()
    written = [name for pair in pairs for name in write_configs(pair, configs)]
    write_metafile(pairs, configs / 'metafile.yml')
    return written
