"""How good a trained run is, and what it detects."""
import json
from contextlib import redirect_stdout

import torch
from mmengine.analysis import get_model_complexity_info
from mmengine.config import Config
from mmengine.runner import Runner

from mmfmkt.engine.launch import build_test_runner
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
        runner.model, inputs=torch.zeros(1, 3, IMAGE_SIZE, IMAGE_SIZE), show_table=False, show_arch=False)
    # mmdet's metric is silent about a detector that detects nothing
    figures = {name: round(100 * metrics.get(f'coco/{key}', 0.0), 1) for name, key in METRICS.items()}
    return dict(figures, params=complexity['params'] / 1e6, gflops=complexity['flops'] / 1e9)


def measure_steps(runner: Runner) -> dict[str, dict[str, float]]:
    """The same detector with its flow bypassed and with other numbers of steps."""
    model, neck = runner.model, runner.model.neck
    model.neck = neck.neck
    figures = {'flow bypassed': measure(runner)}
    model.neck = neck
    for num_steps in STEPS:
        neck.flow.num_steps = num_steps
        figures[f'N = {num_steps}'] = measure(runner)
    return figures


def evaluate(run: Run) -> dict:
    """The figures of a finished run, and of its flow at other numbers of steps; read from its folder if known."""
    file = run.work_dir / 'evaluation.json'
    if not file.exists():
        with (run.work_dir / 'evaluation.log').open('w') as log, redirect_stdout(log):
            runner = load_runner(run)
            figures = dict(deployed=measure(runner))
            if isinstance(runner.model.neck, FlowNeck):
                figures['steps'] = measure_steps(runner)
        file.write_text(json.dumps(figures, indent=1))
    return json.loads(file.read_text())


def detect(run: Run, num_images: int) -> list:
    """The deployed detector's detections on the first validation images, as mmdet's data samples."""
    with (run.work_dir / 'evaluation.log').open('a') as log, redirect_stdout(log):
        runner = load_runner(run)
        loader = dict(runner.cfg.test_dataloader, batch_size=num_images, num_workers=0, persistent_workers=False)
        return runner.model.eval().test_step(next(iter(runner.build_dataloader(loader))))
