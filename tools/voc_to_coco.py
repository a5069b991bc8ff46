"""Make a COCO data set of one in Pascal VOC's format."""

import argparse

from mmfmkt.cli.start import set_up
from mmfmkt.cli.voc import convert


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('voc', help='folder with Annotations/, JPEGImages/ and ImageSets/Main/')
    parser.add_argument('out', help='folder to write to: train/, val/ and annotations/')
    parser.add_argument(
        '--train', nargs='+', default=['train'], metavar='LIST', help='lists of ImageSets/Main to train on (train)'
    )
    parser.add_argument('--val', nargs='+', default=['val'], metavar='LIST', help='lists to validate on (val)')
    parser.add_argument('--test', nargs='+', metavar='LIST', help='lists of a third split, if there is one')
    parser.add_argument('--classes', nargs='+', help='names of the classes in their order (default: by the alphabet)')
    parser.add_argument('--debug', action='store_true', help='show the traceback of an error')
    return parser.parse_args()


if __name__ == '__main__':
    print('wrote', *set_up(convert, parse_args()))
