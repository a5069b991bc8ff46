"""What a study compares, read from its file."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mmfmkt.common.files import project_folder

from .data import CocoFolder
from .run import Run

NAME = re.compile(r'[\w.-]+')
INFERENCE = re.compile(r'bypassed|N=\d+')
KEYS = ('title', 'config', 'options', 'seeds', 'teachers', 'runs', 'plain', 'tables')
RUN_KEYS = ('title', 'config', 'method', 'options', 'teacher', 'seeds')
TEACHER_KEYS = ('title', 'config', 'options', 'checkpoint')
TABLE_KEYS = ('title', 'note', 'reference', 'rows')


@dataclass(frozen=True)
class Table:
    """A comparison of the report.

    Attributes:
        title: its heading.
        rows: what is compared: names of runs, as 'pkd', or of runs at other settings of inference, as 'fmkt@bypassed'
            and 'fmkt@N=1'.
        reference: the row whose differences to the others are shown.
        note: a paragraph for the reader.
    """

    title: str
    rows: tuple[str, ...]
    reference: str
    note: str = ''


@dataclass(frozen=True)
class Study:
    """Everything that a study trains, and how it is compared.

    Attributes:
        title: heading of the report.
        teachers: name -> its run.
        runs: name -> seed -> its run.
        plain: the name of the students without distillation.
        tables: the comparisons.
    """

    title: str
    teachers: dict[str, Run]
    runs: dict[str, dict[int, Run]]
    plain: str
    tables: tuple[Table, ...]

    def all_runs(self) -> list[Run]:
        """Teachers first; then everything with the first seed, with the second, ..."""
        seeds = dict.fromkeys(seed for of_name in self.runs.values() for seed in of_name)
        return [
            *self.teachers.values(),
            *(of_name[seed] for seed in seeds for of_name in self.runs.values() if seed in of_name),
        ]

    def title_of(self, row: str) -> str:
        """What a row of a table is called."""
        name, _, variant = row.partition('@')
        title = next(iter(self.runs[name].values())).title if name in self.runs else self.teachers[name].title
        return f'{title}, {variant.replace("=", " = ")} at inference' if variant else title


def read_study(
    file: str,
    out: Path,
    seeds: Sequence[int] | None = None,
    data: CocoFolder | None = None,
    options: Mapping[str, Any] | None = None,
) -> Study:
    """The study of a YAML file.

    Args:
        file: its path; `docs/studies.md` says what is in it.
        out: folder for everything.
        seeds: instead of those in the file.
        data: instead of the data in the configs.
        options: further options of every run, teachers too.

    Raises:
        FileNotFoundError: if the file or a config is not there.
        ValueError: if it is no study; the message says what is wrong.
    """
    study = load(file)
    check_keys(study, KEYS, ('teachers', 'runs', 'tables', 'plain'), 'a study')
    seeds = list(study.get('seeds', [0]) if seeds is None else seeds)
    teachers = {name: read_teacher(name, entry, out, data, options) for name, entry in entries(study, 'teachers')}
    runs = {}
    for name, entry in entries(study, 'runs'):
        check_keys(entry, RUN_KEYS, (), f'the run {name}')
        settings = {**(study.get('options') or {}), **(entry.get('options') or {}), **(options or {})}
        if 'method' in entry:
            settings['model.method'] = find_shipped(entry['method'])
        config = find_config(entry.get('config', study.get('config')), f'the run {name}')
        teacher = entry.get('teacher', next(iter(teachers)))
        if teacher not in teachers:
            raise ValueError(f'the teacher of {name} must be one of {", ".join(teachers)}, but got {teacher!r}')
        runs[name] = {
            seed: Run(name, str(entry.get('title', name)), config, settings, out, seed, data, teachers[teacher])
            for seed in entry.get('seeds', seeds)
        }
    check_member(study['plain'], runs, '`plain`')
    tables = tuple(read_table(table, runs, teachers) for table in study['tables'])
    return Study(str(study.get('title', Path(file).stem)), teachers, runs, study['plain'], tables)


def load(file: str) -> dict:
    """The content of the file of a study."""
    try:
        study = yaml.safe_load(Path(file).read_text())
    except FileNotFoundError as error:
        raise FileNotFoundError(f'a study must be a YAML file, but {file} is not there') from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ValueError(f'{file} could not be read as YAML: {error}') from error
    if not isinstance(study, dict):
        raise ValueError(f'a study must be a YAML file with {", ".join(KEYS)}, but {file} is {study!r}')
    return study


def entries(study: dict, key: str) -> list[tuple[str, dict]]:
    """The named entries of a part of a study."""
    if not isinstance(study[key], dict) or not study[key]:
        raise ValueError(f'`{key}` of a study must be names with settings, but got {study[key]!r}')
    for name in study[key]:
        if not isinstance(name, str) or not NAME.fullmatch(name):
            raise ValueError(
                f'names in `{key}` must consist of letters, digits, ".", "_" and "-", because files are called so, but '
                f'got {name!r}; set `title` for what people read'
            )
    return [(name, entry or {}) for name, entry in study[key].items()]


def read_teacher(name: str, entry: dict, out: Path, data: CocoFolder | None, options: Mapping[str, Any] | None) -> Run:
    """A teacher: trained with seed 0, unless it has a checkpoint."""
    check_keys(entry, TEACHER_KEYS, ('config',), f'the teacher {name}')
    settings = {**(entry.get('options') or {}), **(options or {})}
    return Run(
        name,
        str(entry.get('title', name)),
        find_config(entry['config'], f'the teacher {name}'),
        settings,
        out,
        0,
        data,
        weights=entry.get('checkpoint'),
    )


def find_config(config: str | None, what: str) -> str:
    """A config, as it is given, or of those that come with the project if there is no such file here."""
    if not config:
        raise ValueError(f'{what} must have a `config`, or the study one for all runs')
    return find_shipped(config) if '::' not in config else config


def find_shipped(file: str) -> str:
    """A file as it is given, or that which comes with the project if there is none here; what is no file stays."""
    shipped = project_folder('configs').parent / file
    return str(shipped) if not Path(file).exists() and shipped.exists() else file


def read_table(table: dict, runs: dict, teachers: dict) -> Table:
    check_keys(table, TABLE_KEYS, ('title', 'reference', 'rows'), 'a table')
    for row in [table['reference'], *table['rows']]:
        name, _, variant = str(row).partition('@')
        check_member(name, {**runs, **teachers}, f'a row of {table["title"]!r}')
        if variant and not INFERENCE.fullmatch(variant):
            raise ValueError(f'what stands behind @ in a row must be bypassed or N=1, N=2 ..., but got {row!r}')
    return Table(str(table['title']), tuple(table['rows']), table['reference'], str(table.get('note', '')))


def check_keys(entry: dict, known: Sequence[str], required: Sequence[str], what: str) -> None:
    if not isinstance(entry, dict) or set(entry) - set(known) or not set(required) <= set(entry):
        musts = f'must have {", ".join(required)} and ' if required else ''
        got = ', '.join(map(str, entry)) if isinstance(entry, dict) else repr(entry)
        raise ValueError(
            f'{what} {musts}may have {", ".join(key for key in known if key not in required)}, but got {got}'
        )


def check_member(name: str, members: Mapping, what: str) -> None:
    if name not in members:
        raise ValueError(f'{what} must be one of {", ".join(members)}, but got {name!r}')
