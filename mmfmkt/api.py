"""Training, distilling, testing and exporting from Python, with the checks of the command lines."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from mmengine.config import Config
from mmengine.runner import Runner, find_latest_checkpoint

from mmfmkt.cli.arguments import load_config, read_with_method
from mmfmkt.cli.distill import distillation_config
from mmfmkt.cli.testing import prepare_testing
from mmfmkt.cli.training import build_training_runner
from mmfmkt.deploy.export import export_student
from mmfmkt.engine.hooks import PreemptionHook
from mmfmkt.pairing.method import DEFAULT

ConfigLike: TypeAlias = str | Path | Config


@dataclass(frozen=True)
class Trained:
    """What a training leaves.

    Attributes:
        config: the whole config of the run.
        checkpoint: its last checkpoint; None if its hooks have written none.
        figures: of its last validation, as 'coco/bbox_mAP'; AP is in [0, 1]. Empty without a validation.
    """

    config: Config
    checkpoint: Path | None
    figures: dict[str, float]


def train(
    config: ConfigLike,
    *,
    method: str | None = None,
    work_dir: str | Path | None = None,
    cfg_options: dict[str, Any] | None = None,
    amp: bool = False,
    auto_scale_lr: bool = False,
    resume: bool | str | Path = False,
    rehearsal: bool = True,
) -> Trained:
    """Train what a config says: a detector, a distillation or a pair; what `tools/train.py` does.

    Args:
        config: a file, 'package::' config, or what was read of one.
        method: of a pair.
        work_dir: for logs and checkpoints; `work_dirs/` and the name of the config by default.
        cfg_options: settings that override the config, as {'train_cfg.max_epochs': 12}.
        amp: mixed precision.
        auto_scale_lr: scale the learning rate with the number of images in a batch.
        resume: go on from the newest checkpoint of the work dir, or from this one.
        rehearsal: try pipelines and evaluation before the training.

    Raises:
        ValueError: for what is wrong with config, data or checkpoint, before the training.
        FileNotFoundError: if one of them is not there.
    """
    args = options(
        config=config,
        method=method,
        work_dir=work_dir,
        cfg_options=cfg_options,
        amp=amp,
        auto_scale_lr=auto_scale_lr,
        resume=resume,
        rehearsal=rehearsal,
    )
    return finish(build_training_runner(load_config(args), args))


def distill(
    student: ConfigLike,
    teacher: ConfigLike | None = None,
    teacher_ckpt: str | Path | None = None,
    *,
    another_teacher: Sequence[tuple[ConfigLike, str | Path]] = (),
    method: str = DEFAULT,
    inherit: Sequence[str] = (),
    evaluate_teacher: bool = False,
    work_dir: str | Path | None = None,
    cfg_options: dict[str, Any] | None = None,
    amp: bool = False,
    auto_scale_lr: bool = False,
    resume: bool | str | Path = False,
    rehearsal: bool = True,
) -> Trained:
    """Distill a student from a teacher, given the configs of both; what `tools/distill.py` does.

    Args:
        student: config of the student, whose data set, schedule and hooks are used.
        teacher: config of the teacher; only a method without a teacher does without one.
        teacher_ckpt: file or address of the trained teacher.
        another_teacher: config and checkpoint of every further teacher.
        method: name of a method, or a .py file.
        inherit: 'neck', 'head': the parts of the teacher with whose weights the student starts.
        evaluate_teacher: measure the teacher before the training.
        work_dir: see :func:`train`, as all that follows.
        cfg_options: see there.
        amp: see there.
        auto_scale_lr: see there.
        resume: see there.
        rehearsal: see there.

    Raises:
        ValueError: for what is wrong with configs, data or checkpoints, before the training.
        FileNotFoundError: if one of them is not there.
    """
    args = options(
        student=student,
        teacher=teacher,
        teacher_ckpt=teacher_ckpt and str(teacher_ckpt),
        another_teacher=list(another_teacher),
        method=method,
        inherit=list(inherit),
        evaluate_teacher=evaluate_teacher,
        save=None,
        work_dir=work_dir,
        cfg_options=cfg_options,
        amp=amp,
        auto_scale_lr=auto_scale_lr,
        resume=resume,
        rehearsal=rehearsal,
    )
    return finish(build_training_runner(distillation_config(args), args))


def evaluate(
    config: ConfigLike,
    checkpoint: str | Path,
    *,
    method: str | None = None,
    num_steps: int | None = None,
    tta: bool = False,
    work_dir: str | Path | None = None,
    cfg_options: dict[str, Any] | None = None,
    rehearsal: bool = True,
) -> dict[str, float]:
    """Test a detector, of a distillation the deployed student; what `tools/test.py` does.

    Args:
        config: of a detector, or of the run that has trained it.
        checkpoint: file or address.
        method: of a pair.
        num_steps: steps of the flow, instead of those of the config.
        tta: test-time augmentation.
        work_dir: see :func:`train`, as what follows.
        cfg_options: see there.
        rehearsal: see there.

    Returns:
        The figures of the test, as 'coco/bbox_mAP'; AP is in [0, 1].

    Raises:
        ValueError: for what is wrong with config, data or checkpoint, before the test.
        FileNotFoundError: if one of them is not there.
    """
    args = options(
        config=config,
        checkpoint=str(checkpoint),
        method=method,
        num_steps=num_steps,
        tta=tta,
        out=None,
        show=False,
        show_dir=None,
        work_dir=work_dir,
        cfg_options=cfg_options,
        rehearsal=rehearsal,
    )
    return prepare_testing(args).test()


def export(
    config: ConfigLike,
    checkpoint: str | Path,
    out: str | Path,
    *,
    method: str | None = None,
    weights: str | None = None,
    half: bool = False,
) -> tuple[Path, Path]:
    """Write the deployed student as a config and a checkpoint of its own; what `tools/export_student.py` does.

    Args:
        config: of the run.
        checkpoint: of the run.
        out: the checkpoint to write (.pth); the config is written beside it (.py).
        method: of a pair.
        weights: of a run with an EMA hook, 'ema' or 'live'; see :func:`~mmfmkt.deploy.detector.student_weights`.
        half: write the weights in float16.

    Returns:
        The paths of the config and of the checkpoint.

    Raises:
        ValueError: for what is wrong with config or checkpoint.
        FileNotFoundError: if one of them is not there.
        RuntimeError: if what was written does not predict the same.
    """
    cfg = read_with_method(options(config=config, method=method))
    return export_student(cfg, str(checkpoint), str(out), weights, half)


def options(**given: Any) -> argparse.Namespace:
    """What the command lines parse, with their defaults for what these functions do not have."""
    if given.get('resume') is not None:
        given['resume'] = 'auto' if given['resume'] is True else given['resume'] and str(given['resume']) or None
    if given.get('work_dir') is not None:
        given['work_dir'] = str(given['work_dir'])
    return argparse.Namespace(launcher='none', local_rank=0, debug=True, **given)


def finish(runner: Runner) -> Trained:
    """Train, and collect what is left."""
    try:
        runner.train()
    finally:
        for hook in runner.hooks:
            if isinstance(hook, PreemptionHook):
                hook.give_back()
    scalars = runner.message_hub.log_scalars
    figures = {
        name.removeprefix('val/'): float(history.current())
        for name, history in scalars.items()
        if name.startswith('val/') and '/' in name.removeprefix('val/')
    }
    last = find_latest_checkpoint(runner.work_dir)
    return Trained(runner.cfg, last and Path(last), figures)
