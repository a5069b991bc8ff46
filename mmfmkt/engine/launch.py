"""From a config and the options of mmdet's command lines to a runner that is ready to start."""
import argparse
import os
import sys
from pathlib import Path
from typing import Callable

from mmdet.engine.hooks.utils import trigger_visualization_hook
from mmdet.evaluation import DumpDetResults
from mmengine.config import Config, DictAction
from mmengine.registry import RUNNERS
from mmengine.runner import Runner

from mmfmkt.deploy import deployed_config

from .cpu import enable_amp, prepare_distributed_cpu
from .preflight import check_classes, check_data


def add_common_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that mmdet's tools share."""
    parser.add_argument('--work-dir', help='folder for logs and results')
    parser.add_argument(
        '--cfg-options', nargs='+', action=DictAction, help='settings that override the config, as key=value ...')
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0)
    parser.add_argument('--debug', action='store_true', help='show the whole traceback of a wrong set-up')


def load_config(args: argparse.Namespace) -> Config:
    """Read the config and apply the common options."""
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    cfg = Config.fromfile(args.config)
    cfg.launcher = args.launcher
    cfg.merge_from_dict(args.cfg_options or {})
    cfg.work_dir = args.work_dir or cfg.get('work_dir') or str(Path('work_dirs') / Path(args.config).stem)
    return cfg


def build_runner(cfg: Config) -> Runner:
    """The config's runner, on CPUs too where several processes were asked for."""
    prepare_distributed_cpu(cfg)
    return RUNNERS.build(cfg) if 'runner_type' in cfg else Runner.from_cfg(cfg)


def build_test_runner(cfg: Config, checkpoint: str) -> Runner:
    """A runner that tests the deployed detector with the checkpoint's weights, never with a teacher.

    Raises:
        FileNotFoundError: if the checkpoint, an annotation file or an image folder is not there.
        RuntimeError: if the checkpoint's weights are not exactly those of the detector.
    """
    cfg = deployed_config(cfg)
    check_data(cfg, 'test_dataloader')
    cfg.load_from = None
    runner = build_runner(cfg)
    runner.load_checkpoint(checkpoint, strict=True)
    return runner


def prepare_training(args: argparse.Namespace) -> Runner:
    """What `tools/train.py` starts.

    Raises:
        ValueError: if data and detector differ in their classes, or if `--auto-scale-lr` is given and the config does
            not state the batch size of its learning rate.
        FileNotFoundError: if an annotation file or an image folder is not there.
    """
    cfg = load_config(args)
    check_data(cfg, 'train_dataloader', 'val_dataloader')
    if args.amp:
        enable_amp(cfg)
    if args.auto_scale_lr:
        if 'base_batch_size' not in cfg.get('auto_scale_lr', {}):
            raise ValueError('--auto-scale-lr needs auto_scale_lr = dict(base_batch_size=...) in the config: the batch '
                             'size over all GPUs that its learning rate was chosen for')
        cfg.auto_scale_lr.enable = True
    if args.resume:
        cfg.resume = True
        cfg.load_from = None if args.resume == 'auto' else args.resume
    runner = build_runner(cfg)
    check_classes(runner.model, cfg, 'train_dataloader', 'val_dataloader')
    return runner


def prepare_testing(args: argparse.Namespace) -> Runner:
    """What `tools/test.py` starts; see :func:`build_test_runner`.

    Raises:
        ValueError: if `--out` is not a pickle file, or if `--tta` is given and the config does not say what it is.
    """
    if args.out and not args.out.endswith(('.pkl', '.pickle')):
        raise ValueError(f'--out must end in .pkl or .pickle, but got {args.out}')
    cfg = deployed_config(load_config(args))
    if args.show or args.show_dir:
        cfg = trigger_visualization_hook(cfg, args)
    if args.tta:
        if 'tta_model' not in cfg or 'tta_pipeline' not in cfg:
            raise ValueError('--tta needs tta_model and tta_pipeline in the config; mmdet::retinanet/retinanet_tta.py '
                             'is an example')
        cfg.model = dict(cfg.tta_model, module=cfg.model)
        cfg.test_dataloader.dataset.pipeline = cfg.tta_pipeline
    runner = build_test_runner(cfg, args.checkpoint)
    if args.out:
        runner.test_evaluator.metrics.append(DumpDetResults(out_file_path=args.out))
    return runner


def set_up(prepare: Callable[[argparse.Namespace], Runner], args: argparse.Namespace) -> Runner:
    """Prepare a runner; what is wrong with config, data or checkpoint ends the program with its message alone."""
    try:
        return prepare(args)
    except Exception as error:
        if args.debug:
            raise
        sys.exit(f'{type(error).__name__}: {error}\n(--debug shows where this was found)')
