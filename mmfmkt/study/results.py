"""What a study has measured: one row a run, in a file of JSON lines."""
from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Iterable

from mmfmkt.files import write_whole

from .run import Run
from .statistics import Difference, paired_difference, recovered

Row = dict


def to_lines(runs: Iterable[Run]) -> str:
    """The rows of those runs that are finished."""
    return ''.join(json.dumps(dict(
        run=run.name, seed=run.seed, title=run.title, teacher=run.teacher.name if run.teacher else None, config=run.config,
        options=run.options, **run.row())) + '\n' for run in runs if run.finished)


def write_results(runs: Iterable[Run], file: Path) -> None:
    write_whole(file, to_lines(runs))


@dataclass(frozen=True)
class Results:
    """Rows of a study, name of the run -> seed -> row.

    Attributes:
        rows: all of them.
        plain: name of the students without distillation.
    """
    rows: dict[str, dict[int, Row]]
    plain: str

    @classmethod
    def read(cls, file: Path, plain: str) -> Results:
        rows: dict[str, dict[int, Row]] = {}
        for line in file.read_text().splitlines():
            row = json.loads(line)
            rows.setdefault(row['run'], {})[row['seed']] = row
        return cls(rows, plain)

    def has(self, row: str) -> bool:
        return bool(self.figures(row, 'AP'))

    def figures(self, row: str, metric: str) -> dict[int, float]:
        """A figure of every seed of a row of a table, as 'pkd' or 'fmkt@N=1'; none if that was not measured."""
        name, _, variant = row.partition('@')
        measured = {seed: of_seed['inference'].get(variant, {}) if variant else of_seed['figures']
                    for seed, of_seed in self.rows.get(name, {}).items()}
        return {seed: figures[metric] for seed, figures in measured.items() if metric in figures}

    def difference(self, row: str, reference: str, metric: str = 'AP') -> Difference | None:
        """Of runs with the same seed; of a teacher, which has one, there is none."""
        if not self.teacher_of(row) or row == reference:
            return None
        return paired_difference(self.figures(row, metric), self.figures(reference, metric))

    def teacher_of(self, row: str) -> str | None:
        """The name of the teacher of a row; None for teachers."""
        return next(iter(self.rows[row.partition('@')[0]].values()))['teacher']

    def recovered(self, row: str) -> list[float]:
        """The share of the gap to the teacher that every seed has recovered."""
        teacher = self.figures(self.teacher_of(row) or '', 'AP')
        if not teacher or row == self.plain:
            return []
        return recovered(self.figures(row, 'AP'), self.figures(self.plain, 'AP'), *teacher.values())

    def relative(self, row: str, cost: str) -> list[float]:
        """What a row costs, over what the plain student of the same seed does: 'training' time, or 'gflops' of inference."""
        own, plain = (self.costs(name, cost) for name in (row, self.plain))
        return [own[seed] / plain[seed] for seed in own if seed in plain]

    def costs(self, row: str, cost: str) -> dict[int, float]:
        if cost != 'training':
            return self.figures(row, cost)
        of_name = self.rows.get(row.partition('@')[0], {})
        return {seed: one['training']['iterations'] * one['training']['seconds'] for seed, one in of_name.items() if one['training']}
