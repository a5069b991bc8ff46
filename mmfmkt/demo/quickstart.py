"""The main job from nothing: data, teacher, plain student, distilled students, table, pictures."""
import io
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterable, Sequence

from mmengine.config import Config
from tqdm import tqdm

from mmfmkt.deploy import export_student

from .digit_scenes import SPLITS, make_split
from .evaluation import detect, evaluate
from .pictures import draw_detections
from .runs import ROOT, Run, Scale
from .table import markdown_table

FULL = Scale('demo', 2500, 500, epochs=4, teacher_epochs=5, data_root='data/digits', seconds=1.0)
SMOKE = Scale('demo-smoke', 80, 40, epochs=1, teacher_epochs=1, data_root='data/digits-smoke', seconds=0.07)
IMAGES_DRAWN = 5
TEACHER, STUDENT, PKD, FMKT, THETA = 'teacher (R34)', 'plain student (R18)', 'PKD', 'FM-KT', 'FM-KT^Θ'
# title -> config below configs/demo, seconds of training on two cores
STUDENTS = {
    STUDENT: ('retinanet_r18.py', 150),
    PKD: ('pkd.py', 240),
    FMKT: ('fmkt.py', 310),
    THETA: ('fmkt-theta.py', 310),
}


@dataclass(frozen=True)
class Step:
    """Something to do: `work` yields the share that is done; `seconds` is what it takes, for the progress bar."""
    title: str
    seconds: float
    finished: bool
    work: Callable[[], Iterable[float]]


def data_step(scale: Scale, split: str, num_images: int) -> Step:
    root = ROOT / scale.data_root
    return Step(f'making the {split} images', num_images / 120, (root / 'annotations' / f'{split}.json').exists(),
                lambda: make_split(root, split, num_images, seed=0))


def evaluation_step(run: Run, title: str) -> Step:

    def work() -> Iterable[float]:
        evaluate(run)
        yield 1.0

    return Step(f'evaluating: {title}', 60 if title == FMKT else 10, (run.work_dir / 'evaluation.json').exists(), work)


def plan_runs(scale: Scale, seeds: Sequence[int], out: Path) -> dict[str, list[Run]]:
    """Title -> one run a seed; there is one teacher."""
    teacher = Run(TEACHER, 'retinanet_r34.py', 375 * scale.seconds, out / 'teacher', 0, scale, scale.teacher_epochs)
    runs = {TEACHER: [teacher]}
    for title, (config, seconds) in STUDENTS.items():
        runs[title] = [
            Run(title, config, seconds * scale.seconds, out / f'{Path(config).stem}_seed{seed}', seed, scale, scale.epochs,
                None if title == STUDENT else teacher) for seed in seeds
        ]
    return runs


def plan_steps(scale: Scale, runs: dict[str, list[Run]]) -> list[Step]:
    steps = [data_step(scale, split, number) for split, number in zip(SPLITS, (scale.num_train, scale.num_val))]
    everything = [(title, run) for title, of_title in runs.items() for run in of_title]
    steps += [Step(f'training: {title}, seed {run.seed}', run.seconds, run.finished, run.train)
              for title, run in everything]
    return steps + [evaluation_step(run, title) for title, run in everything]


class Lines(io.TextIOBase):
    """Standard error as tqdm wants it where there is no screen: every state of the bar on a line of its own."""

    def write(self, text: str) -> int:
        if text.strip():
            print(text.strip(), file=sys.stderr, flush=True)
        return len(text)


def work_through(steps: Sequence[Step]) -> None:
    """Do what is not finished, under one progress bar with the time that is left."""
    on_screen = sys.stderr.isatty()
    done = sum(step.seconds for step in steps if step.finished)
    with tqdm(total=sum(step.seconds for step in steps), initial=done, smoothing=0, ascii=not on_screen,
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
    figures = {title: [evaluate(run) for run in of_title] for title, of_title in runs.items()}
    steps = {name: [seed['steps'][name] for seed in figures[FMKT]] for name in figures[FMKT][0]['steps']}
    return '\n\n'.join([
        markdown_table('detector', {title: [seed['deployed'] for seed in seeds] for title, seeds in figures.items()}),
        markdown_table('FM-KT at inference', steps),
    ])


def quickstart(scale: Scale, seeds: Sequence[int], out: str | None = None) -> None:
    """Run everything that is not there yet, then print the table and write the pictures.

    Args:
        scale: how large a demo.
        seeds: every student is trained once with each.
        out: folder for everything but the data.
    """
    out = Path(out or ROOT / 'work_dirs' / scale.name).absolute()
    runs = plan_runs(scale, seeds, out)
    work_through(plan_steps(scale, runs))
    table = report(runs)
    (out / 'results.md').write_text(table + '\n')
    first = {title: of_title[0] for title, of_title in runs.items()}
    draw_detections({title: detect(run, IMAGES_DRAWN) for title, run in first.items()}, out / 'detections.png')
    exported = [export_student(Config.fromfile(first[title].config_file), str(first[title].checkpoint),
                               str(out / f'{name}_student.pth')) for title, name in ((FMKT, 'fmkt'), (THETA, 'fmkt-theta'))]
    print(f'\nCOCO metrics on {scale.num_val} validation scenes, {len(seeds)} seed(s)\n\n{table}\n')
    if scale is SMOKE:
        print('This was the smoke version: detectors trained on so little detect nothing, and the figures say nothing.')
    print(f'table: {out / "results.md"}\npictures: {out / "detections.png"}')
    for config_file, weights_file in exported:
        print(f'student to deploy: {weights_file} (config beside it: {config_file.name})')
