"""Bringing the zoo up to date."""

from __future__ import annotations

from pathlib import Path

from mmengine.registry import init_default_scope
from mmengine.utils import track_iter_progress

from mmfmkt.common.building import build_detector
from mmfmkt.common.config_files import read_detector_config

from .cells import fitting_methods, read_pairs, write_cells
from .metafile import write_metafile


def update_zoo(configs: Path) -> list[str]:
    """Write the configs that are missing, and the metafile of all; returns the names of those that were missing."""
    init_default_scope('mmdet')
    cells, written = [], []
    for pair in track_iter_progress(read_pairs()):
        student, teacher = (
            build_detector(pair.model.architecture),
            build_detector(read_detector_config(pair.model.teacher)),
        )
        methods = fitting_methods(student, teacher)
        written += write_cells(pair, methods, configs)
        cells += [(method, pair) for method in methods]
    write_metafile(cells, configs / 'metafile.yml')
    return written
