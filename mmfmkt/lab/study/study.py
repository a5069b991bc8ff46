"""A study from its file to its report."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from .costs import ROUNDS, known_costs, measure_costs
from .data import CocoFolder, check_data, own_data
from .plan import Study, method_of
from .report import write_report
from .results import Results, add_results, take_rows, write_results
from .run import Run
from .study_file import read_study
from .workers import Place, do_all, places


def run_study(args: argparse.Namespace) -> Path:
    """What `tools/study.py` does; returns the path of the report.

    Raises:
        ValueError: if the file is no study, if `--out` has runs and `--resume` is not given, or if they or those of
            `--rows` are other runs.
        FileNotFoundError: if a file is not there.
        RuntimeError: if runs have failed.
    """
    out = Path(args.out or Path('work_dirs') / Path(args.study).stem).absolute()
    train_teachers = args.train_teachers or bool(args.data)  # a checkpoint of the file is one of other data
    study = read_study(
        args.study, out, args.seeds, chosen_data(args), args.cfg_options, train_teachers, processes=args.gpus_per_run
    )
    if args.report_only:
        add_results(study.all_runs(), known_costs(costs_file(out)), rows_file(out))
        return report_on(study, out)[1]
    if (out / 'configs').exists() and not args.resume:
        raise ValueError(f'{out} has runs already; go on with them with --resume, or choose another folder with --out')
    rows = Path(args.rows) if args.rows else None
    return do_study(study, out, places(args.jobs, args.gpus_per_run), rows=rows, names=args.runs)[1]


def chosen_data(args: argparse.Namespace) -> CocoFolder | None:
    if args.split and not args.data:
        raise ValueError(f'--split must be given with --data, of which it is a part, but got {args.split!r} alone')
    return own_data(args.data, args.split) if args.data else None


def do_study(
    study: Study,
    out: Path,
    free: Sequence[Place] | None = None,
    rounds: int = ROUNDS,
    rows: Path | None = None,
    names: Sequence[str] | None = None,
) -> tuple[Results, Path]:
    """Train and measure what is not there yet, and write rows and report; returns both.

    Args:
        study: what is compared.
        out: folder for everything.
        free: where trainings may run; by default as :func:`places` has it.
        rounds: iterations of each training by which its cost is measured.
        rows: file of rows; runs that have one count as done.
        names: train only these runs of the file, as 'pkd' for all of its schedules or 'pkd.full' for one.

    Raises:
        FileNotFoundError: if `rows` or data are not there.
        ValueError: if the folder or the rows are of other runs, if there is no run of a name, if data are no COCO, or
            if a training chooses by the split that is measured.
        RuntimeError: if runs have failed.
    """
    runs = study.all_runs()
    chosen = choose(runs, names) if names else runs
    for data in {run.data for run in runs if run.data}:
        check_data(data)
    for run in runs:
        if run.data and not run.weights:
            run.data.check_choices(run.cfg, run.name)
    for run in runs:
        run.prepare()
    if rows:
        take_rows(runs, rows)
    failed = None
    try:
        do_all(chosen, free or places())
    except RuntimeError as error:  # the others are done
        failed = error
    finally:
        write_results(runs, known_costs(costs_file(out)), rows_file(out))
    if failed and not any(run.finished for run in runs):
        raise failed
    write_results(runs, measure_costs(study, costs_file(out), rounds), rows_file(out))
    written = report_on(study, out)
    if failed:
        raise failed
    return written


def report_on(study: Study, out: Path) -> tuple[Results, Path]:
    """Write the report of the rows that are there, and return both.

    Raises:
        FileNotFoundError: if there is none.
    """
    if not rows_file(out).exists() or not (results := Results.read(rows_file(out), study.plain)).rows:
        raise FileNotFoundError(f'{out} must have rows for a report, but no run is finished')
    return results, write_report(study, results, out)


def choose(runs: Sequence[Run], names: Sequence[str]) -> list[Run]:
    """Those with one of the names, with or without their schedule, and their teachers."""
    students = [run for run in runs if run.teacher]
    known = dict.fromkeys(name for run in students for name in (method_of(run.name), run.name))
    if unknown := set(names) - set(known):
        raise ValueError(f'--runs must be of {", ".join(known)}, but got {", ".join(sorted(unknown))}')
    chosen = [run for run in students if {method_of(run.name), run.name} & set(names)]
    teachers = [teacher for run in chosen for teacher in run.teachers]
    return [*dict.fromkeys(teachers), *chosen]


def rows_file(out: Path) -> Path:
    return out / 'results.jsonl'


def costs_file(out: Path) -> Path:
    return out / 'costs.json'
