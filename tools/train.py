"""Train a detector, with or without distillation."""
import argparse

import mmfmkt  # noqa: F401 (registers everything)
from mmdet.utils import setup_cache_size_limit_of_dynamo
from mmfmkt.engine.launch import add_common_arguments, prepare_training, set_up


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config file')
    parser.add_argument('--amp', action='store_true', help='mixed precision: float16 on a GPU, bfloat16 on a CPU')
    parser.add_argument('--auto-scale-lr', action='store_true', help='scale the learning rate with the batch size')
    parser.add_argument(
        '--resume', nargs='?', const='auto', help='go on from this checkpoint, or from the newest one of the work dir')
    add_common_arguments(parser)
    return parser.parse_args()


if __name__ == '__main__':
    setup_cache_size_limit_of_dynamo()
    set_up(prepare_training, parse_args()).train()
