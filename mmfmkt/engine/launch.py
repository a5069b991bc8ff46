"""From a config and the options of mmdet's command lines to a runner that is ready to start."""
import argparse
import os
from pathlib import Path

from mmdet.engine.hooks.utils import trigger_visualization_hook
from mmdet.evaluation import DumpDetResults
from mmengine.config import Config, DictAction
from mmengine.model import BaseTTAModel
from mmengine.registry import RUNNERS
from mmengine.runner import Runner
from torch import Tensor, nn

from mmfmkt.deploy import deployed_config, is_distillation, student_weights
from mmfmkt.models.checkpoints import load_exactly, read_checkpoint
from mmfmkt.models.config_files import read_config
from mmfmkt.models.flow_transform import find_flows
from mmfmkt.processes import unwrapped
from mmfmkt.short_form import write_out

from .add_hooks import add_distillation_hooks, make_resumable
from .checkpoint_files import Resumable, find_resumable, read_resumable
from .cpu import enable_amp, prepare_distributed_cpu
from .preflight import (build_data, check_classes, check_data, check_evaluation, check_kinds, check_launcher, check_optimizer,
                        check_resumable, check_sharding, check_start)
from .run_log import log_run


class ConfigOptions(DictAction):
    """MMEngine's `--cfg-options`, which it reports like any other wrong argument."""

    def __call__(self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: list[str], *args) -> None:
        try:
            super().__call__(parser, namespace, values, *args)
        except (AssertionError, ValueError) as error:
            parser.error(f'--cfg-options must be key=value ..., with lists in [] and quotes where a shell wants them, but got '
                         f'{" ".join(values)} ({error})')


def add_common_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that mmdet's tools share."""
    parser.add_argument('--work-dir', help='folder for logs and results (default: work_dirs/<name of the config>)')
    parser.add_argument(
        '--cfg-options', nargs='+', action=ConfigOptions, help='settings that override the config, as key=value ...')
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none',
                        help='how several processes are started: pytorch with torchrun')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0)
    parser.add_argument('--debug', action='store_true', help='show the traceback of an error')


def add_training_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of tools that train."""
    parser.add_argument('--amp', action='store_true', help='mixed precision: float16 on a GPU, bfloat16 on a CPU')
    parser.add_argument('--auto-scale-lr', action='store_true', help='scale the learning rate with the batch size')
    parser.add_argument(
        '--resume', nargs='?', const='auto', help='go on from this checkpoint, or from the newest one of the work dir')
    add_common_arguments(parser)


def load_config(args: argparse.Namespace) -> Config:
    """Read the config and apply the common options."""
    return apply_options(read_config(args.config, 'the config'), args, name=Path(args.config).stem)


def apply_options(cfg: Config, args: argparse.Namespace, name: str) -> Config:
    """Apply the common options to the config of a run called `name`."""
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    cfg.launcher = args.launcher
    cfg.merge_from_dict(args.cfg_options or {})
    check_launcher(cfg.launcher)
    check_kinds(cfg)
    cfg.work_dir = args.work_dir or cfg.get('work_dir') or str(Path('work_dirs') / name)
    return cfg


def build_runner(cfg: Config) -> Runner:
    """The config's runner, on CPUs too where several processes were asked for."""
    prepare_distributed_cpu(cfg)
    runner = RUNNERS.build(cfg) if 'runner_type' in cfg else Runner.from_cfg(cfg)
    if isinstance(runner.model, dict):  # a FlexibleRunner builds it when it starts, and here it is looked at before
        runner.model = runner.strategy.build_model(runner.model)
    return runner


def build_test_runner(cfg: Config, checkpoint: str) -> Runner:
    """A runner that tests the deployed detector with the checkpoint's weights, never with a teacher.

    Raises:
        FileNotFoundError: if the checkpoint, an annotation file or an image folder is not there.
        ValueError: if the checkpoint's weights are not exactly those of the detector, or if the data cannot be read.
    """
    cfg = deployed_config(cfg, checkpoint)
    check_data(cfg, 'test_dataloader')
    cfg.load_from, cfg.resume = checkpoint, False  # the config that a resumed run leaves says resume = True
    runner = build_runner(cfg)
    # `test` loads once more, not strictly, after hooks such as EMA are ready
    model = unwrapped(runner.model)
    load_exactly(model.module if isinstance(model, BaseTTAModel) else model, student_weights(checkpoint)[0],
                 f'the checkpoint {checkpoint}', 'Give it with the config of its run')
    check_classes(runner.model, build_data(runner, 'test'))
    return runner


def prepare_training(args: argparse.Namespace) -> Runner:
    """What `tools/train.py` starts; see :func:`build_training_runner`."""
    return build_training_runner(load_config(args), args)


def build_training_runner(cfg: Config, args: argparse.Namespace) -> Runner:
    """A runner that trains what the config says, with the options of the command line.

    Raises:
        ValueError: if data, student and teacher differ in their classes, if a checkpoint is damaged, or if
            `--auto-scale-lr` is given and the config does not state the batch size of its learning rate.
        FileNotFoundError: if a checkpoint, an annotation file or an image folder is not there.
    """
    cfg = write_out(cfg)
    check_data(cfg, 'train_dataloader', 'val_dataloader')
    if args.amp:
        enable_amp(cfg)
    if args.auto_scale_lr:
        if 'base_batch_size' not in cfg.get('auto_scale_lr', {}):
            raise ValueError('--auto-scale-lr needs auto_scale_lr = dict(base_batch_size=...) in the config: the batch '
                             'size over all GPUs that its learning rate was chosen for')
        cfg.auto_scale_lr.enable = True
    resumed = set_resumed(cfg, args.resume)
    start = None if resumed else read_start(cfg.get('load_from'))
    check_sharding(cfg)
    if is_distillation(cfg):
        check_optimizer(cfg)
        add_distillation_hooks(cfg)
    make_resumable(cfg)
    runner = build_runner(cfg)
    check_classes(runner.model, build_data(runner, 'train', 'val'))
    check_evaluation(runner)
    if resumed:
        check_resumable(runner.model, resumed)
    if start:
        check_start(runner, cfg.load_from, start)
    if isinstance(runner, Runner):  # the strategies of others build it with the model that they wrap
        runner.optim_wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
    log_run(runner, resumed and resumed.path)
    return runner


def read_start(path: str | None) -> dict[str, Tensor] | None:
    """The weights of a local checkpoint to start from; the runner reads it only when everything else is done."""
    return read_checkpoint(path, 'the checkpoint to start from, set by `load_from`,')[0] if path and '://' not in path else None


def set_resumed(cfg: Config, resume: str | None) -> Resumable | None:
    """Let the config go on from the checkpoint that `--resume` gives, or from the newest of the work dir that is whole.

    Without any, the run begins at the beginning. A run without a seed goes on with the one that it drew.
    """
    if not resume and cfg.get('resume'):  # in the config, as MMEngine has it
        resume = cfg.get('load_from') or 'auto'
    if not resume:
        return None
    resumed = find_resumable(cfg.work_dir) if resume == 'auto' else read_resumable(resume)
    cfg.resume, cfg.load_from = bool(resumed), resumed.path if resumed else cfg.get('load_from')
    seed = ((resumed.content if resumed else {}).get('meta') or {}).get('seed')
    if seed is not None and (cfg.get('randomness') or {}).get('seed') is None:
        cfg.randomness = dict(cfg.get('randomness') or {}, seed=seed)
    return resumed


def prepare_testing(args: argparse.Namespace) -> Runner:
    """What `tools/test.py` starts; see :func:`build_test_runner`.

    Raises:
        ValueError: if `--out` is not a pickle file, if `--num-steps` is given for a detector without a flow, or if
            `--tta` is given and the config does not say what it is.
    """
    if args.out and not args.out.endswith(('.pkl', '.pickle')):
        raise ValueError(f'--out must end in .pkl or .pickle, but got {args.out}')
    cfg = deployed_config(load_config(args), args.checkpoint)
    if args.show or args.show_dir:
        cfg = trigger_visualization_hook(cfg, args)
    if args.tta:
        if 'tta_model' not in cfg or 'tta_pipeline' not in cfg:
            raise ValueError('--tta needs tta_model and tta_pipeline in the config; mmdet::retinanet/retinanet_tta.py '
                             'is an example')
        cfg.model = dict(cfg.tta_model, module=cfg.model)
        cfg.test_dataloader.dataset.pipeline = cfg.tta_pipeline
    runner = build_test_runner(cfg, args.checkpoint)
    if args.num_steps is not None:
        set_inference_steps(runner.model, args.num_steps)
    if args.out:
        runner.test_evaluator.metrics.append(DumpDetResults(out_file_path=args.out))
    return runner


def set_inference_steps(model: nn.Module, num_steps: int) -> None:
    """Let every flow in a detector take `num_steps` steps at inference.

    Raises:
        ValueError: if there is no flow, or if `num_steps` is less than 1.
    """
    flows = find_flows(model)
    if not flows:
        raise ValueError(f'--num-steps must be used with a detector that carries a flow, but got {num_steps} for one '
                         'without; FM-KT^Θ leaves its flow behind')
    for flow in flows:
        flow.inference_steps = num_steps
