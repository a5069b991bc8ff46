"""Draw charts from the logs of runs: AP over training, losses, and the steps of a flow."""

import argparse
from pathlib import Path

from mmfmkt.cli.start import set_up
from mmfmkt.visualization.log_charts import draw_logs
from mmfmkt.visualization.logs import read_runs


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        'work_dirs',
        nargs='+',
        metavar='WORK_DIR',
        help='folder of a run; those whose names differ only in '
        'their seed (..._seed0, ..._seed1) share a colour and get a mean',
    )
    parser.add_argument('--out-dir', default='work_dirs/plots', help='folder for the charts (default: work_dirs/plots)')
    parser.add_argument(
        '--names',
        nargs='+',
        metavar='NAME',
        help='what the runs are called, one for each folder (default: as the folders)',
    )
    parser.add_argument(
        '--metric', default='coco/bbox_mAP', help='what is compared between runs (default: coco/bbox_mAP)'
    )
    parser.add_argument('--debug', action='store_true', help='show the traceback of an error')
    return parser.parse_args()


def plot(args: argparse.Namespace) -> list[Path]:
    return draw_logs(read_runs(args.work_dirs, args.names), args.metric, Path(args.out_dir))


if __name__ == '__main__':
    print('wrote', *set_up(plot, parse_args()))
