"""From a config and the options of a command line to a runner that is ready to train."""

import argparse

from mmengine.config import Config
from mmengine.runner import Runner
from torch import Tensor

from mmfmkt.common.checkpoints import read_checkpoint
from mmfmkt.common.processes import in_one_process
from mmfmkt.deploy.detector import is_distillation
from mmfmkt.engine.add_hooks import add_distillation_hooks, make_resumable
from mmfmkt.engine.checkpoint_files import Resumable, checkpoint_folders, find_resumable, read_resumable
from mmfmkt.engine.mixed_precision import enable_amp
from mmfmkt.pairing.method import PLAIN
from mmfmkt.pairing.short_form import is_short, write_out

from .arguments import load_config
from .preflight import (
    build_optimizer,
    check_agreement,
    check_compile,
    check_data,
    check_evaluation,
    check_model,
    check_optimizer,
    check_resumable,
    check_sampler,
    check_sharding,
    check_start,
    checked_data,
    rehearse_later_test,
    warn_of_keys,
)
from .run_log import log_run
from .runner import build_runner


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
    if is_distillation(cfg) or (is_short(cfg) and cfg.model.get('method') != PLAIN):
        check_compile(cfg)
    cfg = write_out(cfg)
    check_data(cfg, 'train_dataloader', 'val_dataloader')
    if args.amp:
        enable_amp(cfg)
    if args.auto_scale_lr:
        if 'base_batch_size' not in (cfg.get('auto_scale_lr') or {}):
            raise ValueError(
                '--auto-scale-lr needs auto_scale_lr = dict(base_batch_size=...) in the config: the batch '
                'size over all GPUs that its learning rate was chosen for'
            )
        cfg.auto_scale_lr.enable = True
    written = dict(resume=cfg.get('resume', False), load_from=cfg.get('load_from'))
    resumed = set_resumed(cfg, args.resume)
    start = None if resumed else read_start(cfg.get('load_from'))
    check_sharding(cfg)
    check_sampler(cfg)
    check_model(cfg)
    if is_distillation(cfg):
        check_optimizer(cfg)
        add_distillation_hooks(cfg)
    make_resumable(cfg)
    runner = build_runner(cfg)
    runner.cfg.update(written)  # who starts the config that a run leaves wants another run, and not this checkpoint
    runner.dump_config()
    check_agreement(resumed)
    parts = checked_data(runner, 'train', 'val', rehearsal=args.rehearsal)
    check_evaluation(runner)
    if args.rehearsal:
        in_one_process(lambda: rehearse_later_test(runner, parts))
    if resumed:
        check_resumable(runner, resumed)
    if start:
        check_start(runner, cfg.load_from, start)
    if isinstance(runner, Runner):  # the strategies of others build it with the model that they wrap
        runner.optim_wrapper = build_optimizer(runner)
    warn_of_keys(cfg, runner.model)
    log_run(runner, resumed and resumed.path)
    return runner


def read_start(path: str | None) -> dict[str, Tensor] | None:
    """The weights of a checkpoint to start from, of a disk or of the web; the runner reads it when all else is done."""
    if not path or ('://' in path and not path.startswith(('http://', 'https://'))):
        return None
    return read_checkpoint(path, 'the checkpoint to start from, set by `load_from`,')[0]


def set_resumed(cfg: Config, resume: str | None) -> Resumable | None:
    """Let the config go on from the checkpoint that `--resume` gives, or from the newest of the work dir that is whole.

    Without any, the run begins at the beginning. A run without a seed goes on with the one that it drew.
    """
    if not resume and cfg.get('resume'):  # in the config, as MMEngine has it
        resume = cfg.get('load_from') or 'auto'
    if not resume:
        return None
    folders = checkpoint_folders(cfg.work_dir, cfg)
    resumed = find_resumable(*folders) if resume == 'auto' else read_resumable(resume)
    cfg.resume, cfg.load_from = bool(resumed), resumed.path if resumed else cfg.get('load_from')
    seed = ((resumed.content if resumed else {}).get('meta') or {}).get('seed')
    if seed is not None and (cfg.get('randomness') or {}).get('seed') is None:
        cfg.randomness = dict(cfg.get('randomness') or {}, seed=seed)
    return resumed
