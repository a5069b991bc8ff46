"""Draw what an exported detector finds in images, and write it down."""

import argparse

import mmfmkt  # noqa: F401 (registers everything)
from mmfmkt.cli.predict import predict
from mmfmkt.cli.start import set_up


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        'model', help='a .onnx file of tools/export_onnx.py --boxes, or a .pth file of tools/export_student.py'
    )
    parser.add_argument('images', nargs='+', metavar='IMAGE', help='images, or folders of images')
    parser.add_argument('--out', default='predictions', help='folder of the pictures (default: predictions)')
    parser.add_argument(
        '--score-thr', type=float, default=0.3, help='scores from which detections are kept (default: 0.3)'
    )
    parser.add_argument('--debug', action='store_true', help='show the traceback of an error')
    return parser.parse_args()


if __name__ == '__main__':
    files = set_up(predict, parse_args())
    print(f'wrote {len(files) - 1} pictures and {files[-1]}')
