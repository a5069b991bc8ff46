"""Draw the flow of a distillation: features and errors on their way to the teacher, paths of objects, detections."""

import argparse

import mmfmkt  # noqa: F401 (registers everything)
from mmfmkt.cli.arguments import ConfigOptions, add_method_argument
from mmfmkt.cli.pictures import draw_pictures
from mmfmkt.cli.start import set_up


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config of the distillation run')
    parser.add_argument('checkpoint', help='a checkpoint that the run has left')
    parser.add_argument(
        'images', nargs='*', metavar='IMAGE', help='images to draw (default: the first of the validation set)'
    )
    parser.add_argument(
        '--num-images', type=int, default=4, help='how many of the validation set, if no IMAGE is given (default: 4)'
    )
    parser.add_argument(
        '--num-val-images',
        type=int,
        default=200,
        help='how many images of the validation set the charts are made of (default: 200)',
    )
    parser.add_argument(
        '--batch-size',
        type=int,
        default=8,
        help='how many images go through the detectors, and are standardised, together (default: 8)',
    )
    parser.add_argument('--num-steps', type=int, metavar='N', help='steps of the flow, instead of those of the config')
    parser.add_argument('--out-dir', help='folder of the pictures (default: flow_pictures beside the checkpoint)')
    add_method_argument(parser)
    parser.add_argument(
        '--cfg-options', nargs='+', action=ConfigOptions, help='settings that override the config, as key=value ...'
    )
    parser.add_argument('--debug', action='store_true', help='show the traceback of an error')
    return parser.parse_args()


if __name__ == '__main__':
    print('wrote', *set_up(draw_pictures, parse_args()), sep='\n  ')
