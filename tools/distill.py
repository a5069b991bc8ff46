"""Distill a student from a teacher, given the configs of both."""

import argparse

import mmfmkt  # noqa: F401 (registers everything)
from mmfmkt.cli.arguments import add_training_arguments
from mmfmkt.cli.distill import prepare_distillation
from mmfmkt.cli.start import run, set_up
from mmfmkt.pairing.method import DEFAULT, method_names

OTHERS = sorted({*method_names()} - {'fmkt', 'fmkt-theta', 'ofmkt', 'ofmkt-theta'})


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        'student', help="config of the student: a file or 'mmdet::...'; its data set, schedule and hooks are used"
    )
    parser.add_argument('teacher', nargs='?', help="config of the teacher: a file or 'mmdet::...'")
    parser.add_argument('teacher_ckpt', nargs='?', help='file or address of the trained teacher')
    parser.add_argument(
        '--another-teacher',
        nargs=2,
        action='append',
        default=[],
        metavar=('CONFIG', 'CKPT'),
        help='one more teacher; may be given several times',
    )
    parser.add_argument(
        '--method',
        default=DEFAULT,
        metavar='NAME',
        help='fmkt-theta (default) leaves a stock detector, fmkt one that carries its flow; ofmkt and '
        f'ofmkt-theta do without a teacher; also {", ".join(OTHERS)}, or a .py file like those in '
        'configs/_base_/methods',
    )
    parser.add_argument(
        '--inherit',
        nargs='+',
        choices=['neck', 'head'],
        default=[],
        help='start with the weights of these parts of the teacher',
    )
    parser.add_argument('--evaluate-teacher', action='store_true', help='measure the teacher before training')
    parser.add_argument('--save', metavar='FILE', help='write the config to this .py file too')
    parser.add_argument(
        '--dry-run',
        action='store_true',
        help='print the config, write it with --save, and stop; data and checkpoint are not read',
    )
    add_training_arguments(parser)
    return parser.parse_intermixed_args()  # options may stand before the teacher, which is optional


if __name__ == '__main__':
    args = parse_args()
    runner = set_up(prepare_distillation, args)
    if runner is not None:
        run(runner.train, runner, args)
