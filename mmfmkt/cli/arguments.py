"""mmdet's command lines, and the config that they give."""

import argparse
import os
from pathlib import Path

from mmengine.config import Config, DictAction

from mmfmkt.common.config_files import read_config

from .preflight import check_kinds, check_launcher


class ConfigOptions(DictAction):
    """MMEngine's `--cfg-options`, which it reports like any other wrong argument."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: list[str], *args
    ) -> None:
        try:
            super().__call__(parser, namespace, values, *args)
        except (AssertionError, ValueError) as error:
            parser.error(
                f'--cfg-options must be key=value ..., with lists in [] and quotes where a shell wants them, but got '
                f'{" ".join(values)} ({error})'
            )


def add_common_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that mmdet's tools share."""
    parser.add_argument('--work-dir', help='folder for logs and results (default: work_dirs/<name of the config>)')
    parser.add_argument(
        '--cfg-options', nargs='+', action=ConfigOptions, help='settings that override the config, as key=value ...'
    )
    parser.add_argument(
        '--launcher',
        choices=['none', 'pytorch', 'slurm', 'mpi'],
        default='none',
        help='how several processes are started: pytorch with torchrun',
    )
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0)
    parser.add_argument('--debug', action='store_true', help='show the traceback of an error')


def add_training_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of tools that train."""
    parser.add_argument('--amp', action='store_true', help='mixed precision: float16 on a GPU, bfloat16 on a CPU')
    parser.add_argument('--auto-scale-lr', action='store_true', help='scale the learning rate with the batch size')
    parser.add_argument(
        '--resume', nargs='?', const='auto', help='go on from this checkpoint, or from the newest one of the work dir'
    )
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
    method = (args.cfg_options or {}).get('model.method')  # of a pair whose config is for several
    name = f'{Path(str(method)).stem}_{name}' if method else name
    cfg.work_dir = args.work_dir or cfg.get('work_dir') or str(Path('work_dirs') / name)
    return cfg
