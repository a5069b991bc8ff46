"""Write the deployed detector as an ONNX graph: up to the outputs of its dense head, or with its boxes."""

import argparse

import mmfmkt  # noqa: F401 (registers everything)
from mmfmkt.cli.arguments import add_method_argument, read_with_method
from mmfmkt.cli.start import set_up
from mmfmkt.deploy.onnx import export_onnx


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config of a distillation run or of a detector')
    parser.add_argument('checkpoint', help='checkpoint of it')
    parser.add_argument('out', help='file to write (.onnx)')
    parser.add_argument(
        '--shape',
        nargs=2,
        type=int,
        metavar=('H', 'W'),
        help='fix height and width of the images, rounded up to the padding divisor (default: any size)',
    )
    parser.add_argument(
        '--boxes', action='store_true', help='decode boxes and apply the NMS in the graph; tools/predict.py reads it'
    )
    add_method_argument(parser)
    parser.add_argument('--debug', action='store_true', help='show the traceback of an error')
    return parser.parse_args()


def export(args: argparse.Namespace) -> tuple[dict, float]:
    return export_onnx(read_with_method(args), args.checkpoint, args.out, args.shape, args.boxes)


if __name__ == '__main__':
    args = parse_args()
    shapes, deviation = set_up(export, args)
    for name, shape in shapes.items():
        print(f'{"input" if name == "images" else "output"}  {name}: {", ".join(map(str, shape))}')
    of = "the images' longer side" if args.boxes else "an output's largest value"
    print(f'wrote {args.out}; the largest deviation from PyTorch is {deviation:.0e} of {of}')
