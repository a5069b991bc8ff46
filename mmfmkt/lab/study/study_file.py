"""Reading the file of a study."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from mmfmkt.common.files import project_folder

from .data import CocoFolder
from .plan import Schedule, Study, Table, scheduled
from .run import Run

NAME = re.compile(r'[\w-]+')  # a dot separates it from its schedule
INFERENCE = re.compile(r'bypassed|N=\d+')
KEYS = (
    *('title', 'config', 'data', 'epoch_images', 'options', 'seeds'),
    *('schedules', 'teachers', 'runs', 'plain', 'tables', 'curves'),
)
SCHEDULE_KEYS = ('title', 'options')
RUN_KEYS = ('title', 'config', 'method', 'options', 'teacher', 'more_teachers', 'seeds', 'schedules')
TEACHER_KEYS = ('title', 'config', 'options', 'seed', 'checkpoint')
TABLE_KEYS = ('title', 'note', 'reference', 'rows', 'schedules')


def read_study(
    file: str,
    out: Path,
    seeds: Sequence[int] | None = None,
    data: CocoFolder | None = None,
    options: Mapping[str, Any] | None = None,
    train_teachers: bool = False,
    processes: int = 1,
) -> Study:
    """The study of a YAML file.

    Args:
        file: its path; `docs/studies.md` says what is in it.
        out: folder for everything.
        seeds: instead of those in the file, of the study and of single runs.
        data: instead of that of the file, or of the configs if it has none.
        options: further options of every run, teachers too.
        train_teachers: train those that have a checkpoint too.
        processes: those of one training, each with a GPU.

    Raises:
        FileNotFoundError: if the file or a config is not there.
        ValueError: if it is no study; the message says what is wrong.
    """
    study = load(file)
    check_keys(study, KEYS, ('teachers', 'runs', 'tables', 'plain'), 'a study')
    in_file = study.get('seeds', [0])
    if data is None and study.get('data'):
        data = CocoFolder(Path(find_shipped(study['data'])).absolute())
    elif data and study.get('epoch_images'):
        data = replace(data, epoch_images=read_count(study, 'epoch_images'))
    teachers = {
        name: read_teacher(name, entry, out, data, options, train_teachers, processes)
        for name, entry in entries(study, 'teachers')
    }
    schedules, runs = read_schedules(study), {}
    for name, entry in entries(study, 'runs'):
        check_keys(entry, RUN_KEYS, (), f'the run {name}')
        teacher = entry.get('teacher', next(iter(teachers)))
        for each in (teacher, *entry.get('more_teachers', ())):
            check_member(each, teachers, f'a teacher of {name}')
        further = tuple(teachers[each] for each in entry.get('more_teachers', ()))
        config = find_config(entry.get('config', study.get('config')), f'the run {name}')
        method = {'model.method': find_shipped(entry['method'])} if 'method' in entry else {}
        for schedule in chosen_schedules(entry, schedules, f'the run {name}'):
            parts = study.get('options'), schedules[schedule].options, entry.get('options'), method, options
            settings = {key: value for part in parts for key, value in (part or {}).items()}
            of_schedule = scheduled(name, schedule)
            about = of_schedule, str(entry.get('title', name)), config, settings, out
            runs[of_schedule] = {
                seed: Run(*about, seed, data, teachers[teacher], further, processes=processes)
                for seed in (entry.get('seeds', in_file) if seeds is None else seeds)
            }
    check_member(study['plain'], study['runs'], '`plain`')
    curves = tuple(study.get('curves') or ())
    for name in curves:
        check_member(name, study['runs'], 'a run of `curves`')
    tables = tuple(
        table for entry in study['tables'] for table in read_tables(entry, study['runs'], teachers, schedules)
    )
    return Study(str(study.get('title', Path(file).stem)), teachers, runs, study['plain'], tables, curves)


def read_count(study: dict, key: str) -> int:
    if not isinstance(study[key], int) or study[key] < 1:
        raise ValueError(f'`{key}` of a study must be a number from 1 on, but got {study[key]!r}')
    return study[key]


def read_schedules(study: dict) -> dict[str, Schedule]:
    """Name -> schedule; one without a name if the file has none."""
    if not study.get('schedules'):
        return {'': Schedule('', {})}
    schedules = {}
    for name, entry in entries(study, 'schedules'):
        check_keys(entry, SCHEDULE_KEYS, (), f'the schedule {name}')
        schedules[name] = Schedule(str(entry.get('title', name)), entry.get('options') or {})
    return schedules


def chosen_schedules(entry: dict, schedules: Mapping[str, Schedule], what: str) -> list[str]:
    """Those that a run or a table names; all by default."""
    chosen = entry.get('schedules') or list(schedules)
    for schedule in chosen:
        check_member(schedule, schedules, f'a schedule of {what}')
    return chosen


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
                f'names in `{key}` must consist of letters, digits, "_" and "-", because files are called so, but '
                f'got {name!r}; set `title` for what people read'
            )
    return [(name, entry or {}) for name, entry in study[key].items()]


def read_teacher(
    name: str,
    entry: dict,
    out: Path,
    data: CocoFolder | None,
    options: Mapping[str, Any] | None,
    train: bool,
    processes: int,
) -> Run:
    """A teacher: trained with its seed or 0, unless it has a checkpoint and need not be trained."""
    check_keys(entry, TEACHER_KEYS, ('config',), f'the teacher {name}')
    checkpoint = None if train else entry.get('checkpoint')
    return Run(
        name,
        str(entry.get('title', name)),
        find_config(entry['config'], f'the teacher {name}'),
        {**(entry.get('options') or {}), **(options or {})},
        out,
        entry.get('seed', 0),
        data,
        weights=checkpoint and find_shipped(checkpoint),
        processes=processes,
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


def read_tables(table: dict, runs: dict, teachers: dict, schedules: Mapping[str, Schedule]) -> list[Table]:
    """A table of the file, once for each schedule; rows that its runs do not have are left out."""
    check_keys(table, TABLE_KEYS, ('title', 'reference', 'rows'), 'a table')
    title = str(table['title'])
    check_member(str(table['reference']).partition('@')[0], runs, f'the reference of {title!r}')
    for row in [table['reference'], *table['rows']]:
        name, _, variant = str(row).partition('@')
        check_member(name, {**runs, **teachers}, f'a row of {title!r}')
        if variant and not INFERENCE.fullmatch(variant):
            raise ValueError(f'what stands behind @ in a row must be bypassed or N=1, N=2 ..., but got {row!r}')
    tables = []
    for schedule in chosen_schedules(table, schedules, title):

        def has_schedule(row: str) -> bool:
            return schedule in chosen_schedules(runs[row.partition('@')[0]] or {}, schedules, row)

        rows = tuple(
            row if row in teachers else scheduled(row, schedule)
            for row in table['rows']
            if row in teachers or has_schedule(row)
        )
        if not has_schedule(table['reference']):
            raise ValueError(
                f'the reference of {title!r} must have all schedules of the table, but {table["reference"]} lacks '
                f'{schedule}; set `schedules` of the table'
            )
        reference, note = scheduled(table['reference'], schedule), str(table.get('note', ''))
        tables.append(Table(title, rows, reference, note, schedules[schedule].title))
    return tables


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
