"""The main job from nothing: data, teacher, plain student, distilled students, table, pictures."""
import io
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterable, Sequence

from mmengine.config import Config
from tqdm import tqdm

from mmfmkt.export import export_student
from mmfmkt.files import write_whole
from mmfmkt.visualization.detections import draw_detections

from .digit_scenes import SPLITS, make_split
from .evaluation import detect, evaluate, is_evaluated, read_figures
from .runs import ROOT, CocoFolder, Run
from .table import markdown_table

IMAGES_DRAWN = 5
TEACHER, STUDENT, PKD, FMKT, THETA = 'teacher (R34)', 'plain student (R18)', 'PKD', 'FM-KT', 'FM-KT^Θ'
# title -> config below configs/demo, seconds of training on two cores
RUNS = {
    TEACHER: ('retinanet_r34.py', 320),
    STUDENT: ('retinanet_r18.py', 130),
    PKD: ('pkd.py', 180),
    FMKT: ('fmkt.py', 270),
    THETA: ('fmkt-theta.py', 220),
}


@dataclass(frozen=True)
class Scale:
    """How large a demo is; `seconds` is the share that its training takes of the full one's."""
    name: str
    num_train: int
    num_val: int
    epochs: int
    teacher_epochs: int
    seconds: float


FULL = Scale('demo', 2500, 500, epochs=4, teacher_epochs=5, seconds=1.0)
SMOKE = Scale('demo-smoke', 80, 40, epochs=1, teacher_epochs=1, seconds=0.08)


@dataclass(frozen=True)
class Step:
    """Something to do: `work` yields the share that is done; `seconds` is what it takes, for the progress bar."""
    title: str
    seconds: float
    finished: bool
    work: Callable[[], Iterable[float]]


def data_step(data: CocoFolder, split: str, num_images: int) -> Step:
    file = data.annotations(split)
    finished = file.exists() and len(json.loads(file.read_text())['images']) == num_images
    return Step(f'making the {split} images', num_images / 300, finished,
                lambda: make_split(data.root, split, num_images, seed=0))


def evaluation_step(run: Run) -> Step:
    return Step(f'evaluating: {run.title}', 60 if run.title == FMKT else 10, is_evaluated(run), lambda: evaluate(run))


def plan_runs(scale: Scale, data: CocoFolder, seeds: Sequence[int], out: Path) -> dict[str, list[Run]]:
    """Title -> one run a seed; there is one teacher, of seed 0."""

    def make(title: str, seed: int, epochs: int, teacher: Run | None = None) -> Run:
        config, seconds = RUNS[title]
        return Run(title, config, out, data, seed, epochs, seconds * scale.seconds, teacher)

    teacher = make(TEACHER, 0, scale.teacher_epochs)
    runs = {TEACHER: [teacher], STUDENT: [make(STUDENT, seed, scale.epochs) for seed in seeds]}
    for title in (PKD, FMKT, THETA):
        runs[title] = [make(title, seed, scale.epochs, teacher) for seed in seeds]
    return runs


def plan_steps(runs: dict[str, list[Run]]) -> list[Step]:
    """Training first, then evaluation."""
    everything = [run for of_title in runs.values() for run in of_title]
    for run in everything:
        run.check_folder()
    training = [Step(f'training: {run.title}, seed {run.seed}', run.seconds, run.finished, run.train)
                for run in everything]
    return training + [evaluation_step(run) for run in everything]


class Lines(io.TextIOBase):
    """Standard error as tqdm wants it where there is no screen: every state of the bar on a line of its own."""

    def write(self, text: str) -> int:
        if text.strip():
            print(text.strip(), file=sys.stderr, flush=True)
        return len(text)


def work_through(steps: Sequence[Step]) -> None:
    """Do what is not finished, under one progress bar with the time that is left."""
    if all(step.finished for step in steps):
        return
    on_screen = sys.stderr.isatty()
    done = sum(step.seconds for step in steps if step.finished)
    total = sum(step.seconds for step in steps) + 1e-6  # rounding must not carry the sum of the shares past it
    with tqdm(total=total, initial=done, smoothing=0, ascii=not on_screen,
              file=sys.stderr if on_screen else Lines(), mininterval=0.5 if on_screen else 30,
              bar_format='{percentage:3.0f}% |{bar:24}| {elapsed}, {remaining} left: {desc}') as bar:
        for number, step in enumerate(steps, 1):
            if step.finished:
                continue
            bar.set_description_str(f'step {number} of {len(steps)}, {step.title}')
            reached = 0.0
            for share in step.work():
                bar.update(step.seconds * (share - reached))
                reached = share
            bar.update(step.seconds * (1 - reached))


def report(runs: dict[str, list[Run]]) -> str:
    """Both tables: the detectors, and FM-KT at other numbers of steps."""
    figures = {title: [read_figures(run) for run in of_title] for title, of_title in runs.items()}
    steps = {name: [seed['steps'][name] for seed in figures[FMKT]] for name in figures[FMKT][0]['steps']}
    return '\n\n'.join([
        markdown_table('detector', {title: [seed['deployed'] for seed in seeds] for title, seeds in figures.items()}),
        markdown_table('FM-KT at inference', steps),
    ])


def export(run: Run) -> Path:
    """Write the deployed student of a run beside its folder and return the checkpoint."""
    file = run.out / f'{run.name}_student.pth'
    return export_student(Config.fromfile(run.config_file), str(run.checkpoint), str(file))[1]


def make_digits(scale: Scale) -> CocoFolder:
    """The demo's data set, made if it is not there."""
    data = CocoFolder(ROOT / 'data' / ('digits' if scale is FULL else 'digits-smoke'))
    work_through([data_step(data, split, number) for split, number in zip(SPLITS, (scale.num_train, scale.num_val))])
    return data


def own_data(folder: str) -> CocoFolder:
    """A data set of the user's; a FileNotFoundError or ValueError says what is wrong with it."""
    data = CocoFolder(Path(folder).absolute())
    needed = [*(data.root / split for split in SPLITS), *(data.annotations(split) for split in SPLITS)]
    if missing := [str(path) for path in needed if not path.exists()]:
        raise FileNotFoundError('--data must be a folder with train/, val/, annotations/train.json and '
                                f'annotations/val.json, but these are not there: {", ".join(missing)}')
    try:
        same = data.classes('train') == data.classes('val')
    except (KeyError, ValueError) as error:
        raise ValueError(f'the annotation files below {data.root} must be COCO JSON with "categories", but are not: '
                         f'{error!r}') from error
    if not same:
        raise ValueError('the categories of annotations/train.json and annotations/val.json must be the same, in the same '
                         f'order, but are {data.classes("train")} and {data.classes("val")}')
    return data


def quickstart(scale: Scale, seeds: Sequence[int], data: str | None = None, out: str | None = None) -> None:
    """Run everything that is not there yet, then print the table and write pictures and students.

    Args:
        scale: how large a demo.
        seeds: every student is trained once with each.
        data: folder of a data set (see :class:`CocoFolder`) to use instead of the digits.
        out: folder for everything but the digits.

    Raises:
        FileNotFoundError: if `data` lacks something.
        ValueError: if `data` is not as it must be, or if `out` has runs of other data or another length.
    """
    folder = own_data(data) if data else make_digits(scale)
    out = Path(out or ROOT / 'work_dirs' / (f'{scale.name}-{folder.root.name}' if data else scale.name)).absolute()
    runs = plan_runs(scale, folder, seeds, out)
    work_through(plan_steps(runs))
    table = report(runs)
    write_whole(out / 'results.md', f'{table}\n')
    print(f'\nCOCO metrics on the validation images of {folder.root}, {len(seeds)} seed(s)\n\n{table}\n')
    if scale is SMOKE:
        print('This was the smoke version: detectors trained on so little detect nothing, and the figures say nothing.\n')
    first = {title: of_title[0] for title, of_title in runs.items()}
    draw_detections({title: detect(run, IMAGES_DRAWN) for title, run in first.items()}, folder.classes(),
                    out / 'detections.png')
    print(f'table: {out / "results.md"}\npictures: {out / "detections.png"}')
    for title in (FMKT, THETA):
        print(f'{title} student to deploy: {export(first[title])} (and its config beside it)')
