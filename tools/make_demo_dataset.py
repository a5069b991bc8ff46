"""Make the demo data set: scenes of handwritten digits in COCO format."""

import argparse
from pathlib import Path

from tqdm import tqdm

from mmfmkt.lab.demo.digit_scenes import SPLITS, make_split

if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--out', type=Path, default='data/digits', help='folder to write to')
    parser.add_argument('--num-train', type=int, default=2500, help='number of training images')
    parser.add_argument('--num-val', type=int, default=500, help='number of validation images')
    parser.add_argument('--num-test', type=int, default=1000, help='number of test images')
    parser.add_argument('--seed', type=int, default=0, help='the same seed gives the same scenes')
    args = parser.parse_args()
    for split, num_images in zip(SPLITS, (args.num_train, args.num_val, args.num_test)):
        for _ in tqdm(make_split(args.out, split, num_images, args.seed), total=num_images, desc=split):
            pass
