"""The main job from nothing: data, teacher, plain student, distilled students, table, pictures."""

import argparse
import json
import os
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmfmkt.cli.pictures import draw_pictures
from mmfmkt.common.files import project_folder, write_whole
from mmfmkt.common.progress import Progress
from mmfmkt.deploy.export import export_student
from mmfmkt.lab.study.data import CocoFolder, own_data
from mmfmkt.lab.study.measure import detect
from mmfmkt.lab.study.plan import Study
from mmfmkt.lab.study.run import Run
from mmfmkt.lab.study.study import do_study
from mmfmkt.lab.study.study_file import read_study
from mmfmkt.lab.study.tables import markdown_table
from mmfmkt.visualization.detections import draw_detections
from mmfmkt.visualization.html_page import html_page, picture

from .digit_scenes import SPLITS, make_split

IMAGES_DRAWN = 5
DEPLOYED = ('fmkt', 'fmkt-theta')  # runs whose students are exported


@dataclass(frozen=True)
class Scale:
    """How large a demo is: its images, iterations by which costs are measured, options of every run."""

    name: str
    num_train: int
    num_val: int
    num_test: int
    rounds: int
    options: dict[str, Any] = field(default_factory=dict)


FULL = Scale('demo', 2500, 500, 1000, rounds=15)
SMOKE = Scale(
    'demo-smoke', 80, 40, 40, 2, {'train_cfg.max_epochs': 1, 'train_cfg.val_interval': 2, 'param_scheduler.1.T_max': 1}
)


def make_digits(scale: Scale) -> CocoFolder:
    """The demo's data set, made if it is not there."""
    data = CocoFolder(project_folder('configs').parent / 'data' / ('digits' if scale is FULL else 'digits-smoke'))
    numbers = dict(zip(SPLITS, (scale.num_train, scale.num_val, scale.num_test)))
    missing = {split: number for split, number in numbers.items() if not has_images(data, split, number)}
    if missing:
        with Progress(sum(missing.values())) as progress:
            for split, number in missing.items():
                progress.follow(f'making the {split} images', number, make_split(data.root, split, number, seed=0))
    return data


def has_images(data: CocoFolder, split: str, number: int) -> bool:
    file = data.annotations(split)
    return file.exists() and len(json.loads(file.read_text())['images']) == number


def export(run: Run) -> Path:
    """Write the deployed student of a run beside its folder and return the checkpoint."""
    return export_student(Config.fromfile(run.source), run.checkpoint, str(run.out / f'{run.id}_student.pth'))[1]


def draw(study: Study, data: CocoFolder, file: Path) -> None:
    """Detections of the teacher and of every student of the first seed, on the same images."""
    runs = [*study.teachers.values(), *(next(iter(of_name.values())) for of_name in study.runs.values())]
    draw_detections({run.title: detect(run.source, run.checkpoint, IMAGES_DRAWN) for run in runs}, data.classes(), file)


def draw_flow(run: Run, out: Path) -> list[Path]:
    """The pictures of the flow of a run. What is read and matched for them has been said when the run was trained."""
    with open(os.devnull, 'w') as nowhere, redirect_stdout(nowhere):
        return draw_pictures(
            argparse.Namespace(
                config=str(run.source),
                checkpoint=run.checkpoint,
                images=[],
                num_images=2,
                num_val_images=200,
                batch_size=8,
                num_steps=None,
                out_dir=str(out),
                cfg_options=None,
            )
        )


def quickstart(
    scale: Scale, seeds: Sequence[int], data: str | None = None, out: str | None = None, train_teacher: bool = False
) -> None:
    """Run everything that is not there yet, then print the tables and write pictures and students.

    Args:
        scale: how large a demo.
        seeds: every student is trained once with each.
        data: folder of a data set (see :class:`CocoFolder`) to use instead of the digits.
        out: folder for everything but the digits.
        train_teacher: train the teacher too, instead of taking the one that comes with the project.

    Raises:
        FileNotFoundError: if `data` lacks something.
        ValueError: if `data` is not as it must be, or if `out` has runs of other data or another length.
        RuntimeError: if a training fails.
    """
    folder = own_data(data, epoch_images=scale.num_train) if data else make_digits(scale)
    root = project_folder('configs').parent
    out = Path(out or root / 'work_dirs' / (f'{scale.name}-{folder.root.name}' if data else scale.name)).absolute()
    file = root / 'configs' / 'studies' / 'quickstart.yml'
    study = read_study(str(file), out, seeds, folder, scale.options, train_teacher or bool(data))
    results, report = do_study(study, out, rounds=scale.rounds)
    for table in study.tables:
        print(f'\n{table.title}, {len(seeds)} seed(s), on {folder.root}\n\n{markdown_table(study, table, results)}')
    if scale is SMOKE:
        print(
            '\nThis was the smoke version: detectors trained on so little detect nothing, and the figures say nothing.'
        )
    draw(study, folder, out / 'detections.png')
    print(f'\ntables and charts: {report}\ndetections: {out / "detections.png"}')
    pictures = {'Detections': [out / 'detections.png']}
    for name in DEPLOYED:
        run = next(iter(study.runs[name].values()))
        pictures[f'The flow of {run.title}'] = drawn = draw_flow(run, out / f'flow_{name}')
        print(f'flow of {run.title}: {drawn[0].parent}')
        print(f'{run.title} student to deploy: {export(run)} (and its config beside it)')
    print(f'all of it on one page: {write_page(report, pictures)}')


def write_page(report: Path, pictures: dict[str, Sequence[Path]]) -> Path:
    """Write a page of the report and of more pictures, title -> files."""
    sections = [
        f'## {title}\n\n' + '\n\n'.join(picture(file, report.parent) for file in files)
        for title, files in pictures.items()
    ]
    page = report.with_name('results.html')
    write_whole(page, html_page('\n\n'.join([report.read_text(), *sections]), report.parent))
    return page
