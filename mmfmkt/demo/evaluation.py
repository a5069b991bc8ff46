"""How good a trained run is, and what it detects."""
import json
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, Sequence

import torch
from mmdet.models.detectors.base import BaseDetector
from mmengine.analysis import get_model_complexity_info
from mmengine.config import Config, DictAction
from mmengine.runner import Runner
from mmengine.structures import InstanceData

from mmfmkt.engine.launch import build_test_runner

from .digit_scenes import IMAGE_SIZE
from .runs import Run

METRICS = {'AP': 'bbox_mAP', 'AP50': 'bbox_mAP_50', 'AP75': 'bbox_mAP_75', 'APs': 'bbox_mAP_s', 'APm': 'bbox_mAP_m'}


def test_options(run: Run) -> dict:
    data = f'{run.scale.data_root}/'
    return {'test_dataloader.dataset.data_root': data, 'test_evaluator.ann_file': f'{data}annotations/val.json'}


def test_runner(run: Run) -> Runner:
    """A runner with the deployed detector of a finished run."""
    cfg = Config.fromfile(run.config_file)
    cfg.merge_from_dict({**test_options(run), 'log_level': 'ERROR', 'work_dir': str(run.work_dir / 'test')})
    cfg.launcher = 'none'
    return build_test_runner(cfg, str(run.checkpoint))


def measure(runner: Runner) -> dict[str, float]:
    """COCO metrics in points, parameters in millions and GFLOPs (multiply-adds, as mmdet counts them) an image."""
    metrics = runner.test()
    inputs = torch.zeros(1, 3, IMAGE_SIZE, IMAGE_SIZE)
    complexity = get_model_complexity_info(runner.model, inputs=(inputs, ), show_table=False, show_arch=False)
    figures = {name: round(100 * metrics[f'coco/{key}'], 1) for name, key in METRICS.items()}
    return dict(figures, params=complexity['params'] / 1e6, gflops=complexity['flops'] / 1e9)
