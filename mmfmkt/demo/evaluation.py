"""How good a trained run is, and what it detects."""
import json
from contextlib import redirect_stdout
from pathlib import Path
from typing import Iterator

from mmdet.structures import DetDataSample
from mmengine.analysis import get_model_complexity_info
from mmengine.config import Config
from mmengine.runner import Runner

from mmfmkt.engine.testing import build_test_runner
from mmfmkt.files import write_whole
from mmfmkt.models import FlowNeck

from .digit_scenes import IMAGE_SIZE
from .runs import Run

METRICS = {'AP': 'bbox_mAP', 'AP50': 'bbox_mAP_50', 'AP75': 'bbox_mAP_75', 'APs': 'bbox_mAP_s', 'APm': 'bbox_mAP_m'}
STEPS = (1, 2, 4, 8)


def load_runner(run: Run) -> Runner:
    """A runner with the deployed detector of a finished run, which logs errors only."""
    cfg = Config.fromfile(run.config_file)
    cfg.merge_from_dict(dict(log_level='ERROR', work_dir=str(run.work_dir / 'test'), visualizer=None))
    return build_test_runner(cfg, str(run.checkpoint))


def measure(runner: Runner) -> dict[str, float]:
    """COCO metrics in points, parameters in millions and GFLOPs (multiply-adds, as mmdet counts them) an image."""
    metrics = runner.test()
    complexity = get_model_complexity_info(
        runner.model, input_shape=(3, IMAGE_SIZE, IMAGE_SIZE), show_table=False, show_arch=False)
    # mmdet's metric is silent about a detector that detects nothing
    figures = {name: round(100 * metrics.get(f'coco/{key}', 0.0), 1) for name, key in METRICS.items()}
    return dict(figures, params=complexity['params'] / 1e6, gflops=complexity['flops'] / 1e9)


def measure_steps(runner: Runner) -> Iterator[tuple[str, dict[str, float]]]:
    """The same detector with its flow bypassed and with other numbers of steps."""
    model, neck = runner.model, runner.model.neck
    model.neck = neck.neck
    yield 'flow bypassed', measure(runner)
    model.neck = neck
    for num_steps in STEPS:
        neck.flow.inference_steps = num_steps
        yield f'N = {num_steps}', measure(runner)


def evaluation_file(run: Run) -> Path:
    return run.work_dir / 'evaluation.json'


def is_evaluated(run: Run) -> bool:
    """Are there figures, and are they of the checkpoint that there is?"""
    file = evaluation_file(run)
    return run.finished and file.exists() and file.stat().st_mtime >= run.checkpoint.stat().st_mtime


def evaluate(run: Run) -> Iterator[float]:
    """Measure a finished run, and its flow at other numbers of steps, yielding the share that is done."""
    with (run.work_dir / 'evaluation.log').open('w') as log:
        with redirect_stdout(log):
            runner = load_runner(run)
            figures = dict(deployed=measure(runner), steps={})
        if isinstance(runner.model.neck, FlowNeck):
            measurements = measure_steps(runner)
            for done in range(1, len(STEPS) + 2):
                yield done / (len(STEPS) + 2)
                with redirect_stdout(log):
                    name, measured = next(measurements)
                    figures['steps'][name] = measured
    write_whole(evaluation_file(run), json.dumps(figures, indent=1))
    yield 1.0


def read_figures(run: Run) -> dict:
    """`deployed`: the figures of the detector; `steps`: name -> figures, for FM-KT."""
    return json.loads(evaluation_file(run).read_text())


def detect(run: Run, num_images: int) -> list[DetDataSample]:
    """The deployed detector's detections on the first validation images."""
    with (run.work_dir / 'evaluation.log').open('a') as log, redirect_stdout(log):
        runner = load_runner(run)
        loader = dict(runner.cfg.test_dataloader, batch_size=num_images, num_workers=0, persistent_workers=False)
        results = runner.model.eval().test_step(next(iter(runner.build_dataloader(loader))))
        return [result.cpu() for result in results]
