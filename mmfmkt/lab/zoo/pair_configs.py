"""The pairs of `configs/`, and the configs at its root, `configs/METHOD_PAIR.py`: FM-KT and FM-KT^Θ on each of them."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from pathlib import Path

from mmengine.config import Config

from mmfmkt.common.config_paths import pair_files
from mmfmkt.common.files import write_whole
from mmfmkt.pairing.method import folder

METHODS = ('fmkt', 'fmkt-theta')  # what has a config of its own; `tools/train.py PAIR --method NAME` is for all others
HEADING = re.compile(r'# (.+?)(?: \((arXiv:[\d.]+)\))?:')  # how the file of a method begins


@dataclass(frozen=True)
class Pair:
    """A pair of detectors, in a file FAMILY/FAMILY_TEACHER_STUDENT.py, with _SCHEDULE at the end if it is not 2x."""

    file: Path

    @property
    def name(self) -> str:
        return self.file.stem

    @property
    def path(self) -> str:
        """The file as seen from `configs/`: 'retinanet/retinanet_r101_r50.py'."""
        return '/'.join(self.file.parts[-2:])

    @property
    def title(self) -> str:
        """The first line of the file: 'RetinaNet R101 -> RetinaNet R50, 2x schedule'."""
        return self.file.read_text().splitlines()[0].strip('# .')

    @property
    def student_config(self) -> str:
        """MMDetection's config that the student is, or is made of: 'retinanet/retinanet_r50_fpn_2x_coco'."""
        return re.search(r"'mmdet::(.+?)\.py'", self.file.read_text())[1]

    @functools.cached_property
    def model(self) -> dict:
        """The short form, without a method."""
        return Config.fromfile(self.file).model


def read_pairs() -> list[Pair]:
    """All pairs."""
    return [Pair(file) for file in pair_files()]


def heading(method: str) -> tuple[str, str | None]:
    """The title of a method, and the number of its paper."""
    return HEADING.match((folder() / f'{method}.py').read_text()).groups()


def config_name(method: str, pair: Pair) -> str:
    """The name of the config of a method on a pair."""
    return f'{method}_{pair.name}'


def config_text(method: str, pair: Pair) -> str:
    """The whole of the config of a method on a pair."""
    return f"# {heading(method)[0]}: {pair.title}.\n_base_ = '{pair.path}'\nmodel = dict(method='{method}')\n"


def write_configs(pair: Pair, configs: Path) -> list[str]:
    """Write the configs of a pair that are not there yet, and return their names."""
    files = {configs / f'{config_name(method, pair)}.py': config_text(method, pair) for method in METHODS}
    missing = {file: text for file, text in files.items() if not file.exists()}
    for file, text in missing.items():
        write_whole(file, text)
    return [file.stem for file in missing]
