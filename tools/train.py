"""Train a detector, with or without distillation."""

import argparse

import mmfmkt  # noqa: F401 (registers everything)
from mmfmkt.cli.arguments import add_method_argument, add_training_arguments
from mmfmkt.cli.start import run, set_up
from mmfmkt.cli.training import prepare_training


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config file: a detector, a distillation or a pair')
    add_method_argument(parser)
    add_training_arguments(parser)
    return parser.parse_args()


if __name__ == '__main__':
    args = parse_args()
    runner = set_up(prepare_training, args)
    run(runner.train, runner, args)
