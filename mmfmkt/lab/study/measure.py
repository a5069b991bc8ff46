"""What a trained detector is worth and what it costs: COCO metrics, parameters, operations, seconds of its training."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path

import numpy as np
import torch
from mmdet.structures import DetDataSample
from mmengine.analysis import get_model_complexity_info
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.runner import Runner

import mmfmkt  # noqa: F401 (registers everything)
from mmfmkt.cli.testing import build_test_runner
from mmfmkt.common.files import write_whole
from mmfmkt.models import FlowNeck
from mmfmkt.visualization.logs import LOG, read_run

METRICS = {
    'AP': 'bbox_mAP',
    'AP50': 'bbox_mAP_50',
    'AP75': 'bbox_mAP_75',
    'APs': 'bbox_mAP_s',
    'APm': 'bbox_mAP_m',
    'APl': 'bbox_mAP_l',
}
STEPS = (1, 2, 4, 8)


def load_runner(config: Path, checkpoint: str) -> Runner:
    """A runner with the deployed detector of a run, which logs errors only."""
    cfg = Config.fromfile(config)
    cfg.merge_from_dict(
        dict(
            launcher='none',
            log_level='ERROR',
            work_dir=str(config.parent.parent / 'test' / config.stem),
            visualizer=None,
        )
    )
    return build_test_runner(cfg, checkpoint, rehearsal=False)


def figures(runner: Runner) -> dict[str, float]:
    """COCO metrics in points, parameters in millions, and GFLOPs of the first test image.

    GFLOPs are multiply-adds, as mmdet counts them. Metrics of sizes that no object has are left out.
    """
    metrics, model = runner.test(), runner.model
    image = model.data_preprocessor(pseudo_collate([runner.test_dataloader.dataset[0]]), False)
    forward, model.forward = (
        model.forward,
        partial(model.forward, data_samples=image['data_samples']),
    )  # which two stages want
    try:
        complexity = get_model_complexity_info(model, inputs=image['inputs'], show_table=False, show_arch=False)
    finally:
        model.forward = forward
    # mmdet's metric is silent about a detector that detects nothing, and says -1 where there is nothing to detect
    found = {name: metrics.get(f'coco/{key}', 0.0) for name, key in METRICS.items()}
    return dict(
        {name: round(100 * value, 1) for name, value in found.items() if value >= 0},
        params=round(complexity['params'] / 1e6, 3),
        gflops=round(complexity['flops'] / 1e9, 4),
    )


def figures_of_steps(runner: Runner) -> dict[str, dict[str, float]]:
    """Those of a detector that carries a flow, with its flow bypassed and with other numbers of steps; else none."""
    model, neck = runner.model, getattr(runner.model, 'neck', None)
    if not isinstance(neck, FlowNeck):
        return {}
    model.neck = neck.neck
    measured = {'bypassed': figures(runner)}
    model.neck = neck
    for num_steps in STEPS:
        neck.flow.inference_steps = num_steps
        measured[f'N={num_steps}'] = figures(runner)
    return measured


def training_cost(work_dir: Path) -> dict[str, float]:
    """The last iteration in the log of a training, and the seconds that one takes; nothing of a detector without a log.

    The seconds are those of the fastest tenth of the log's entries: what else a shared machine does makes others
    slower.
    """
    if not any(work_dir.glob(LOG)):
        return {}
    seconds = read_run(work_dir, work_dir.name).loss('time')
    return dict(iterations=max(seconds), seconds=round(float(np.quantile(list(seconds.values()), 0.1)), 4))


def curve(work_dir: Path) -> dict[int, float]:
    """AP on the validation data during a training: epoch, or iteration in a run that counts these -> AP in points."""
    if not any(work_dir.glob(LOG)):
        return {}
    log = read_run(work_dir, work_dir.name)
    measured = log.metric(f'coco/{METRICS["AP"]}', log.counts_epochs())
    return {when: round(100 * value, 1) for when, value in measured.items()}


def machine() -> dict[str, str | int]:
    """What all of this was measured on."""
    return dict(
        machine=platform.machine(),
        cores=os.cpu_count(),
        threads=torch.get_num_threads(),
        gpu=torch.cuda.get_device_name(0) if torch.cuda.is_available() else 'none',
        torch=torch.__version__,
    )


@torch.no_grad()
def detect(config: Path, checkpoint: str, num_images: int) -> list[DetDataSample]:
    """The deployed detector's detections on the first validation images."""
    with open(os.devnull, 'w') as nowhere, redirect_stdout(nowhere):
        runner = load_runner(config, checkpoint)
        loader = dict(runner.cfg.test_dataloader, batch_size=num_images, num_workers=0, persistent_workers=False)
        results = runner.model.eval().test_step(next(iter(runner.build_dataloader(loader))))
        return [result.cpu() for result in results]


def main(arguments: Sequence[str]) -> None:
    """Measure one run: its config, its checkpoint, the file to write."""
    config, checkpoint, row = arguments
    runner, folder = load_runner(Path(config), checkpoint), Path(checkpoint).parent
    measured = dict(
        figures=figures(runner),
        inference=figures_of_steps(runner),
        training=training_cost(folder),
        curve=curve(folder),
        machine=machine(),
    )
    write_whole(Path(row), json.dumps(measured))


if __name__ == '__main__':
    main(sys.argv[1:])
