"""Compare methods on a pair of detectors, with several seeds: train, measure, report differences and intervals."""

import argparse
import signal
import sys

from mmfmkt.cli.arguments import ConfigOptions
from mmfmkt.cli.start import set_up
from mmfmkt.lab.study.study import run_study


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('study', help='YAML file that says what is compared; configs/studies/ has examples')
    parser.add_argument(
        '--seeds', type=int, nargs='+', help='train everything with each of these seeds (default: those of the file)'
    )
    parser.add_argument('--out', help='folder for runs, rows and report (default: work_dirs/<name of the file>)')
    parser.add_argument(
        '--resume', action='store_true', help='go on with what is in the folder; runs that are finished are kept'
    )
    parser.add_argument(
        '--rows',
        help='results.jsonl of the same study, from another machine or from the project; runs that it has are not '
        'trained again',
    )
    parser.add_argument(
        '--runs', nargs='+', metavar='NAME', help='train only these runs of the file; NAME.SCHEDULE is one of them'
    )
    parser.add_argument(
        '--jobs',
        type=int,
        help='trainings at a time (default: one for each GPU, or for each core of the CPU, at most 4)',
    )
    parser.add_argument('--gpus-per-run', type=int, default=1, help='GPUs for each of them')
    parser.add_argument(
        '--data',
        help='folder of a COCO data set instead of that of the configs: images in train/ and val/, boxes in '
        'annotations/train.json and annotations/val.json, and a split test/ likewise if there is one',
    )
    parser.add_argument(
        '--train-teachers',
        action='store_true',
        help='train teachers that have a checkpoint too, as is always done with --data',
    )
    parser.add_argument(
        '--split', help='what AP is measured on: a split of --data (default: test if there is one, else val)'
    )
    parser.add_argument(
        '--cfg-options', nargs='+', action=ConfigOptions, help='settings of every run, teachers too, as key=value ...'
    )
    parser.add_argument(
        '--report-only', action='store_true', help='train nothing; write the report of the rows that are there'
    )
    parser.add_argument('--debug', action='store_true', help='show the traceback of an error')
    return parser.parse_args()


if __name__ == '__main__':
    signal.signal(
        signal.SIGTERM, lambda *_: sys.exit('stopped; start it again with --resume to go on')
    )  # ends the trainings too
    args = parse_args()
    print(f'report: {set_up(run_study, args)}')
