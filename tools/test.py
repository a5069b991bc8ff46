"""Test a detector. Of a distillation config, the deployed student is tested; the teacher is neither built nor read."""

import argparse

import mmfmkt  # noqa: F401 (registers everything)
from mmfmkt.cli.arguments import add_common_arguments, add_method_argument
from mmfmkt.cli.start import run, set_up
from mmfmkt.cli.testing import prepare_testing


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('--out', help='write the predictions to this .pkl file')
    parser.add_argument('--show', action='store_true', help='show the predictions')
    parser.add_argument('--show-dir', help='draw the predictions into this folder, inside the work dir')
    parser.add_argument('--wait-time', type=float, default=2, help='seconds between shown images')
    parser.add_argument('--num-steps', type=int, metavar='N', help='steps of the flow, instead of those of the config')
    parser.add_argument('--tta', action='store_true', help='test-time augmentation')
    add_method_argument(parser)
    add_common_arguments(parser)
    return parser.parse_args()


if __name__ == '__main__':
    args = parse_args()
    runner = set_up(prepare_testing, args)
    run(runner.test, runner, args)
