"""Measure what distillation costs: seconds and memory of an iteration, for the plain student and its distillations.

They take turns, on synthetic images. It needs neither a data set nor checkpoints.
"""

import argparse

from mmfmkt.cli.arguments import ConfigOptions
from mmfmkt.cli.start import set_up
from mmfmkt.lab.benchmark import run_benchmark
from mmfmkt.lab.benchmark.cases import DEPLOYED, TRAINED


def at_least(least: int):

    def integer(text: str) -> int:
        if int(text) < least:
            raise argparse.ArgumentTypeError(f'must be at least {least}, but got {text}')
        return int(text)

    return integer


def height_and_width(text: str) -> tuple[int, int]:
    height, width = map(at_least(32), text.split(','))
    return height, width


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        'config',
        nargs='+',
        help='a pair of configs/ by its name, as retinanet_r101_r50, or a '
        'config; one that is no pair is timed as it is',
    )
    parser.add_argument(
        '--methods',
        nargs='*',
        default=TRAINED,
        metavar='METHOD[:ENCODER[:N]]',
        help='what is trained; mmrazor-fpn and mmrazor-single are PKD in stock MMRazor. The first is what '
        f'others are compared with (default: {" ".join(TRAINED)})',
    )
    parser.add_argument(
        '--deployed',
        nargs='*',
        default=DEPLOYED,
        metavar='METHOD[:ENCODER[:N]]',
        help=f'what predicts (default: {" ".join(DEPLOYED)})',
    )
    parser.add_argument('--device', help='cpu, cuda or cuda:N (default: a GPU if there is one)')
    parser.add_argument('--batch', type=at_least(1), default=2, help='images of an iteration (default: 2)')
    parser.add_argument(
        '--shape',
        type=height_and_width,
        metavar='H,W',
        help='of the images (default: 800,1333 on a GPU, 320,512 on a CPU)',
    )
    parser.add_argument('--amp', action='store_true', help='mixed precision: float16 on a GPU, bfloat16 on a CPU')
    parser.add_argument(
        '--rounds',
        type=at_least(1),
        default=7,
        help='iterations of each that are counted, and four times as many predictions (default: 7)',
    )
    parser.add_argument(
        '--at-once', type=at_least(2), default=6, metavar='N', help='models in memory at one time (default: 6)'
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=ConfigOptions,
        default={},
        help='settings that override the config, as model.teacher_inference.precision=float32',
    )
    parser.add_argument(
        '--out', default='work_dirs/benchmark', help='folder for the results (default: work_dirs/benchmark)'
    )
    parser.add_argument('--debug', action='store_true', help='show the traceback of an error')
    return parser.parse_args()


if __name__ == '__main__':
    set_up(run_benchmark, parse_args())
