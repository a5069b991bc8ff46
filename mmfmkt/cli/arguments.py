"""mmdet's command lines, and the config that they give."""

import argparse
import os
from pathlib import Path
from typing import Any

from mmengine.config import Config, DictAction

from mmfmkt.common.config_files import config_name, read_config, type_name
from mmfmkt.pairing.method import method_names, read_method
from mmfmkt.pairing.short_form import SHORT_FORM

from .preflight import check_kinds, check_launcher


class ConfigOptions(DictAction):
    """MMEngine's `--cfg-options`, which it reports like any other wrong argument."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: list[str], *args: Any
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
    parser.add_argument(
        '--no-rehearsal',
        dest='rehearsal',
        action='store_false',
        help='do not try the evaluation on made-up detections first',
    )
    parser.add_argument('--debug', action='store_true', help='show the traceback of an error')


def add_training_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of tools that train."""
    parser.add_argument('--amp', action='store_true', help='mixed precision: float16 on a GPU, bfloat16 on a CPU')
    parser.add_argument('--auto-scale-lr', action='store_true', help='scale the learning rate with the batch size')
    parser.add_argument(
        '--resume', nargs='?', const='auto', help='go on from this checkpoint, or from the newest one of the work dir'
    )
    add_common_arguments(parser)


def add_method_argument(parser: argparse.ArgumentParser) -> None:
    """The method of tools that take the config of a pair."""
    parser.add_argument(
        '--method',
        metavar='NAME',
        help=f'method of a pair, {", ".join(method_names())}, or a .py file like those in configs/_base_/methods; '
        'short for --cfg-options model.method=NAME',
    )


def read_with_method(args: argparse.Namespace) -> Config:
    """Read the config of a run, and set its method if `--method` gives one.

    Raises:
        ValueError: if there is no such method, or if the config is not that of a pair.
    """
    cfg = read_config(args.config, 'the config')
    if getattr(args, 'method', None):
        check_pair(cfg, args.method)
        read_method(args.method)
        cfg.model.method = args.method
    return cfg


def load_config(args: argparse.Namespace) -> Config:
    """Read the config and apply the options, `--method` and the common ones.

    Raises:
        ValueError: as :func:`apply_options`, and if the options name two methods.
    """
    if getattr(args, 'method', None):
        options = args.cfg_options = dict(args.cfg_options or {})
        if options.setdefault('model.method', args.method) != args.method:
            raise ValueError(
                f'--method and --cfg-options model.method must not differ, but got {args.method} and '
                f'{options["model.method"]}; one of them is enough'
            )
    return apply_options(read_config(args.config, 'the config'), args, name=config_name(args.config))


def apply_options(cfg: Config, args: argparse.Namespace, name: str) -> Config:
    """Apply the common options to the config of a run called `name`.

    Raises:
        ValueError: if an option is wrong, or does not fit the config.
    """
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    cfg.launcher = args.launcher
    cfg.merge_from_dict(args.cfg_options or {})
    check_launcher(cfg.launcher)
    check_kinds(cfg)
    method = (args.cfg_options or {}).get('model.method')
    if method is not None:
        check_pair(cfg, method)
        read_method(method)  # it raises an error if there is none
        name = run_name(method, name)
    cfg.work_dir = args.work_dir or cfg.get('work_dir') or str(Path('work_dirs') / name)
    return cfg


def check_pair(cfg: Config, method: str) -> None:
    """Raise a ValueError if a method is given for a config whose model is no pair."""
    if type_name(cfg.model) != SHORT_FORM:
        raise ValueError(
            f"--method must be given with a pair, a config with model.type='mmrazor.{SHORT_FORM}' as those in "
            f'configs/retinanet, but got {method} for a model of type {type_name(cfg.model)}; '
            f'for the configs of two detectors there is tools/distill.py STUDENT TEACHER CHECKPOINT --method {method}'
        )


def run_name(method: str, config: str) -> str:
    """The name of a run: METHOD_CONFIG, where the method takes the place of one that the config is named after."""
    named_after, _, rest = config.partition('_')
    return f'{Path(method).stem}_{rest if rest and named_after in method_names() else config}'
