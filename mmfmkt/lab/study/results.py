"""What a study has measured: one row a run, in a file of JSON lines."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from mmfmkt.common.files import write_whole

from .costs import Costs
from .plan import method_of, schedule_of, scheduled
from .run import Run
from .statistics import Difference, paired_difference, recovered

Row = dict
Key = tuple[str, int]


MEASURED = ('figures', 'inference', 'training', 'curve', 'machine', 'cost')  # of a row; the rest says of what
ALIKE = ('options', 'data', 'teacher', 'more_teachers', 'teacher_seeds', 'given', 'processes')  # of what is compared


def row_of(run: Run, costs: Costs) -> Row:
    """The row of a run that is finished."""
    measured = run.row()
    return {**run.about, **measured, 'cost': measured.get('cost') or costs.get(method_of(run.name), {})}


def write_results(runs: Sequence[Run], costs: Costs, file: Path) -> None:
    """Write the rows of the runs that are finished, and keep those of others like them, as of further seeds."""
    runs_by_name = {run.name: run for run in runs}
    rows = {
        key: row
        for key, row in rows_of(file).items()
        if key[0] not in runs_by_name or not differences(runs_by_name[key[0]], row)
    }
    write_rows({**rows, **{(run.name, run.seed): row_of(run, costs) for run in runs if run.finished}}, file)


def add_results(runs: Sequence[Run], costs: Costs, file: Path) -> None:
    """Write the rows of the runs that are finished and that the file lacks, as it does while a study is under way."""
    rows = rows_of(file)
    lacking = {(run.name, run.seed): run for run in runs if (run.name, run.seed) not in rows and run.finished}
    if lacking:
        write_rows({**rows, **{key: row_of(run, costs) for key, run in lacking.items()}}, file)


def write_rows(rows: dict[Key, Row], file: Path) -> None:
    write_whole(file, ''.join(json.dumps(row) + '\n' for row in rows.values()))


def rows_of(file: Path) -> dict[Key, Row]:
    """Name and seed of a run -> its row; none if there is no file."""
    return {(row['run'], row['seed']): row for row in read_rows(file)} if file.exists() else {}


def differences(run: Run, row: Row) -> list[str]:
    """In what a row is of another run than this one; what one of the two does not know does not count."""
    both = {key: (value, row.get(key)) for key, value in run.about.items() if key in ALIKE}
    return [
        f'{key} {own}, not {other}' for key, (own, other) in both.items() if own != other and None not in (own, other)
    ]


def read_rows(file: Path) -> list[Row]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def take_rows(runs: Iterable[Run], file: Path) -> None:
    """Let runs that have a row in a file of rows count as done.

    Raises:
        FileNotFoundError: if the file is not there.
        ValueError: if it has a row of a run with other options, data, teachers or processes.
    """
    if not file.exists():
        raise FileNotFoundError(f'--rows must be a file of rows, results.jsonl of a study, but {file} is not there')
    rows = rows_of(file)
    for run in runs:
        row = rows.get((run.name, run.seed))
        if not row or run.row_file.exists():
            continue
        if others := differences(run, row):
            raise ValueError(
                f'--rows must have rows of the same settings and data, but {run.id} has {"; ".join(others)}, as in '
                f'{file}; take this row out of the file to train the run again'
            )
        write_whole(run.row_file, json.dumps({key: row[key] for key in MEASURED if key in row}))


@dataclass(frozen=True)
class Results:
    """Rows of a study, name of the run -> seed -> row.

    Attributes:
        rows: all of them.
        plain: name of the students without distillation, of whatever schedule.
    """

    rows: dict[str, dict[int, Row]]
    plain: str

    @classmethod
    def read(cls, file: Path, plain: str) -> Results:
        rows: dict[str, dict[int, Row]] = {}
        for row in read_rows(file):
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

    def curves(self, row: str) -> list[dict[int, float]]:
        """AP over the epochs of the training, or its iterations, one curve a seed."""
        curves = [of_seed.get('curve') or {} for of_seed in self.rows.get(row, {}).values()]
        return [{int(epoch): value for epoch, value in curve.items()} for curve in curves if curve]

    def counts_iterations(self, row: str) -> bool:
        """Whether its curves are over iterations, of which the last was validated; there are fewer epochs."""
        iterations = [(of_seed.get('training') or {}).get('iterations') for of_seed in self.rows.get(row, {}).values()]
        return any(max(curve) >= min(filter(None, iterations), default=math.inf) for curve in self.curves(row))

    def plain_of(self, row: str) -> str:
        """The students without distillation that a row is compared with: those of its schedule."""
        return scheduled(self.plain, schedule_of(row))

    def difference(self, row: str, reference: str, metric: str = 'AP') -> Difference | None:
        """Of runs with the same seed; of a teacher, which has one, there is none."""
        if not self.teacher_of(row) or row == reference:
            return None
        return paired_difference(self.figures(row, metric), self.figures(reference, metric))

    def teacher_of(self, row: str) -> str | None:
        """The name of the teacher of a row; None for teachers."""
        return next(iter(self.rows[row.partition('@')[0]].values()))['teacher']

    def recovered(self, row: str) -> list[float]:
        """The share of the gap to the teacher that every seed has recovered; to the mean of a teacher of several."""
        teacher = self.figures(self.teacher_of(row) or '', 'AP')
        plain = self.plain_of(row)
        if not teacher or row == plain:
            return []
        return recovered(self.figures(row, 'AP'), self.figures(plain, 'AP'), mean(teacher.values()))

    def training(self, row: str) -> float | None:
        """The time of a training over the plain student's: of an iteration, and how many there are; None if unknown."""
        name, plain_name = row.partition('@')[0], self.plain_of(row)
        own, plain = (next(iter(self.rows.get(each, {}).values()), {}) for each in (name, plain_name))
        if not own.get('cost') or not own.get('training') or not plain.get('training'):
            return None
        return own['cost']['time'] * own['training']['iterations'] / plain['training']['iterations']

    def inference(self, row: str) -> float | None:
        """The multiply-adds of a prediction over those of the plain student's; a teacher's, over any of them."""
        any_plain = next((name for name in self.rows if method_of(name) == self.plain), self.plain)
        own, plain = (next(iter(self.figures(name, 'gflops').values()), None) for name in (row, any_plain))
        return own / plain if own and plain else None
