"""Write the deployed student of a distillation run as a config and a checkpoint of its own."""

import argparse
from pathlib import Path

import mmfmkt  # noqa: F401 (registers everything)
from mmfmkt.cli.arguments import add_method_argument, read_with_method
from mmfmkt.cli.start import set_up
from mmfmkt.deploy.export import export_student


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config of the distillation run')
    parser.add_argument('checkpoint', help='checkpoint of the distillation run')
    parser.add_argument('out', help='checkpoint to write (.pth); the config is written beside it (.py)')
    weights = parser.add_mutually_exclusive_group()
    weights.add_argument(
        '--ema',
        dest='choice',
        action='store_const',
        const='ema',
        help='take the averaged weights of an EMA hook, which are the default where there are some, and '
        'fail if there are none',
    )
    weights.add_argument(
        '--live',
        dest='choice',
        action='store_const',
        const='live',
        help='of a run with an EMA hook, take the weights that are trained instead of their average',
    )
    parser.add_argument('--half', action='store_true', help='write the weights in float16, half the size')
    add_method_argument(parser)
    parser.add_argument('--debug', action='store_true', help='show the traceback of an error')
    return parser.parse_args()


def export(args: argparse.Namespace) -> tuple[Path, Path]:
    return export_student(read_with_method(args), args.checkpoint, args.out, args.choice, args.half)


if __name__ == '__main__':
    print('wrote', *set_up(export, parse_args()))
