"""Look at the data of a config before training: classes, boxes, what is odd, and images with their boxes."""

import argparse
import sys

import mmfmkt  # noqa: F401 (registers everything)
from mmfmkt.cli.arguments import ConfigOptions
from mmfmkt.cli.inspecting import inspect_config
from mmfmkt.cli.start import set_up


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config file with the data: a detector, a distillation or a pair')
    parser.add_argument(
        '--out',
        default='work_dirs/data.png',
        metavar='FILE',
        help='picture of some images with their boxes (default: work_dirs/data.png)',
    )
    parser.add_argument(
        '--num-images', type=int, default=4, help='images of each split in the picture; 0 draws none (4)'
    )
    parser.add_argument(
        '--cfg-options', nargs='+', action=ConfigOptions, help='settings that override the config, as key=value ...'
    )
    parser.add_argument('--debug', action='store_true', help='show the traceback of an error')
    return parser.parse_args()


if __name__ == '__main__':
    sys.exit(not set_up(inspect_config, parse_args()))
