"""What a study compares."""

from __future__ import annotations

from dataclasses import dataclass

from .run import Run


@dataclass(frozen=True)
class Schedule:
    """How long all students train.

    Attributes:
        title: for people.
        options: what differs, as in `--cfg-options`.
    """

    title: str
    options: dict


@dataclass(frozen=True)
class Table:
    """A comparison of the report.

    Attributes:
        title: what is asked; tables of several schedules share it.
        rows: what is compared: names of runs, as 'pkd', or of runs at other settings of inference, as 'fmkt@bypassed'
            and 'fmkt@N=1'. In a study with schedules they are 'pkd.SCHEDULE' and 'fmkt.SCHEDULE@N=1'.
        reference: the row whose differences to the others are shown.
        note: a paragraph for the reader.
        schedule: the title of the schedule of its runs, '' in a study without any.
    """

    title: str
    rows: tuple[str, ...]
    reference: str
    note: str = ''
    schedule: str = ''

    @property
    def heading(self) -> str:
        return ', '.join(filter(None, [self.title, self.schedule]))


@dataclass(frozen=True)
class Study:
    """Everything that a study trains, and how it is compared.

    Attributes:
        title: heading of the report.
        teachers: name -> its run.
        runs: name -> seed -> its run.
        plain: the name of the students without distillation; see :func:`plain_of`.
        tables: the comparisons.
        curves: names of runs, without their schedule, whose AP is shown over the epochs.
    """

    title: str
    teachers: dict[str, Run]
    runs: dict[str, dict[int, Run]]
    plain: str
    tables: tuple[Table, ...]
    curves: tuple[str, ...] = ()

    def all_runs(self) -> list[Run]:
        """Teachers first; then everything with the first seed, with the second, ..."""
        seeds = dict.fromkeys(seed for of_name in self.runs.values() for seed in of_name)
        return [
            *self.teachers.values(),
            *(of_name[seed] for seed in seeds for of_name in self.runs.values() if seed in of_name),
        ]

    def questions(self) -> dict[str, list[Table]]:
        """The comparisons by their title, each after all of its schedules."""
        return {
            title: [table for table in self.tables if table.title == title]
            for title in dict.fromkeys(table.title for table in self.tables)
        }

    def title_of(self, row: str) -> str:
        """What a row of a table is called."""
        name, _, variant = row.partition('@')
        title = next(iter(self.runs[name].values())).title if name in self.runs else self.teachers[name].title
        return f'{title}, {variant.replace("=", " = ")} at inference' if variant else title


def scheduled(row: str, schedule: str) -> str:
    """The row of a table with a schedule: 'fmkt@N=1' -> 'fmkt.full@N=1'; without a schedule, ''; as it is."""
    name, at, variant = row.partition('@')
    return f'{name}.{schedule}{at}{variant}' if schedule else row


def schedule_of(row: str) -> str:
    """The schedule of a row of a table, '' without one."""
    return row.partition('@')[0].partition('.')[2]


def unscheduled(row: str) -> str:
    """The row of a table without its schedule: 'fmkt.full@N=1' -> 'fmkt@N=1'."""
    name, at, variant = row.partition('@')
    return method_of(name) + at + variant


def method_of(row: str) -> str:
    """A run without its schedule."""
    return row.partition('@')[0].partition('.')[0]
