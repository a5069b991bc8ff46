"""What a study has measured: one row a run, in a file of JSON lines."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mmfmkt.common.files import write_whole

from .costs import Costs
from .run import Run
from .statistics import Difference, paired_difference, recovered

Row = dict


def to_lines(runs: Iterable[Run], costs: Costs) -> str:
    """The rows of those runs that are finished."""
    return ''.join(
        json.dumps(
            dict(
                run=run.name,
                seed=run.seed,
                title=run.title,
                teacher=run.teacher.name if run.teacher else None,
                config=run.config,
                options=run.options,
                cost=costs.get(run.name, {}),
                **run.row(),
            )
        )
        + '\n'
        for run in runs
        if run.finished
    )


def write_results(runs: Iterable[Run], costs: Costs, file: Path) -> None:
    write_whole(file, to_lines(runs, costs))


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
        measured = {
            seed: of_seed['inference'].get(variant, {}) if variant else of_seed['figures']
            for seed, of_seed in self.rows.get(name, {}).items()
        }
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

    def training(self, row: str) -> float | None:
        """The time of a training over the plain student's: of an iteration, and how many there are; None if unknown."""
        own, plain = (next(iter(self.rows.get(name, {}).values()), {}) for name in (row.partition('@')[0], self.plain))
        if not own.get('cost') or not own.get('training') or not plain.get('training'):
            return None
        return own['cost']['time'] * own['training']['iterations'] / plain['training']['iterations']

    def inference(self, row: str) -> float | None:
        """The multiply-adds of a prediction over those of the plain student's."""
        own, plain = (next(iter(self.figures(name, 'gflops').values()), None) for name in (row, self.plain))
        return own / plain if own and plain else None
