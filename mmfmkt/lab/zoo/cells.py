"""The configs of the zoo, `configs/METHOD_PAIR.py`: a method of `configs/_base_/methods/` on a pair of `configs/_base_/pairs/`.

Methods that read no teacher stand there once for each student.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from pathlib import Path

from mmengine.config import Config
from mmengine.model import BaseModel

from mmfmkt.common.files import write_whole
from mmfmkt.pairing.method import folder, method_names, misfit, read_method, reads_teacher

HEADING = re.compile(r'# (.+?)(?: \((arXiv:[\d.]+)\))?:')  # how the file of a method begins


@dataclass(frozen=True)
class Pair:
    """A pair of detectors, in a file called FAMILY_TEACHER_STUDENT.py, with _SCHEDULE if it is not 2x."""

    file: Path

    @property
    def name(self) -> str:
        return self.file.stem

    @property
    def title(self) -> str:
        """The first line of the file: 'RetinaNet R101 -> RetinaNet R50, 2x schedule'."""
        return self.file.read_text().splitlines()[0].strip('# .')

    @property
    def student(self) -> str:
        """The name without the teacher."""
        family, _, student, *schedule = self.name.split('_')
        return '_'.join([family, student, *schedule])

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
    return [Pair(file) for file in sorted((folder().parent / 'pairs').glob('*.py'))]


def heading(method: str) -> tuple[str, str | None]:
    """The title of a method, and the number of its paper."""
    return HEADING.match((folder() / f'{method}.py').read_text()).groups()


def cell_name(method: str, pair: Pair) -> str:
    """The name of a config: with the teacher's name if the method reads one."""
    return f'{method}_{pair.name if reads_teacher(read_method(method)) else pair.student}'


def cell_text(method: str, pair: Pair) -> str:
    """The whole of a config."""
    title = pair.title if reads_teacher(read_method(method)) else pair.title.split(' -> ')[1]
    return (
        f"# {heading(method)[0]}: {title}.\n_base_ = '_base_/pairs/{pair.name}.py'\nmodel = dict(method='{method}')\n"
    )


def fitting_methods(student: BaseModel, teacher: BaseModel) -> list[str]:
    """The methods that fit two detectors."""
    return [method for method in method_names() if not misfit(read_method(method), student, teacher)]


def write_cells(pair: Pair, methods: list[str], configs: Path) -> list[str]:
    """Write the configs of a pair that are not there yet, and return their names."""
    files = {configs / f'{cell_name(method, pair)}.py': cell_text(method, pair) for method in methods}
    missing = {file: text for file, text in files.items() if not file.exists()}
    for file, text in missing.items():
        write_whole(file, text)
    return [file.stem for file in missing]
