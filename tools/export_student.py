"""Write the deployed student of a distillation run as a config and a checkpoint of its own."""
import argparse
from pathlib import Path

import mmfmkt  # noqa: F401 (registers everything)
from mmengine.config import Config
from mmfmkt.deploy import export_student
from mmfmkt.engine.launch import set_up


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config of the distillation run')
    parser.add_argument('checkpoint', help='checkpoint of the distillation run')
    parser.add_argument('out', help='checkpoint to write (.pth); the config is written beside it (.py)')
    parser.add_argument('--debug', action='store_true', help='show the whole traceback of a wrong input')
    return parser.parse_args()


def export(args: argparse.Namespace) -> tuple[Path, Path]:
    return export_student(Config.fromfile(args.config), args.checkpoint, args.out)


if __name__ == '__main__':
    print('wrote', *set_up(export, parse_args()))
