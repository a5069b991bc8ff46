"""Distill a RetinaNet on scenes of handwritten digits, and compare it with its teacher and with the plain student."""

import argparse
import signal
import sys

from mmfmkt.lab.demo.quickstart import FULL, SMOKE, quickstart

if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--smoke', action='store_true', help='a few images and one epoch: does everything run?')
    parser.add_argument(
        '--seeds', type=int, nargs='+', default=[0], help='train every student with each of these seeds'
    )
    parser.add_argument(
        '--data',
        help='folder of a COCO data set of your own instead of the digits: images in train/ '
        'and val/, boxes in annotations/train.json and annotations/val.json',
    )
    parser.add_argument('--out', help='folder for runs, table and pictures (default: work_dirs/demo)')
    parser.add_argument(
        '--train-teacher',
        action='store_true',
        help='train the teacher too, as is always done with --data (default: the one in configs/demo/teacher)',
    )
    args = parser.parse_args()
    signal.signal(
        signal.SIGTERM, lambda *_: sys.exit('stopped; start it again to go on')
    )  # ends the running training too
    try:
        quickstart(SMOKE if args.smoke else FULL, args.seeds, args.data, args.out, args.train_teacher)
    except (FileNotFoundError, RuntimeError, ValueError) as error:
        sys.exit(f'error: {error}')
