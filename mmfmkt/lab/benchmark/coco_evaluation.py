"""Pycocotools' evaluation and the faster one, on the same made-up detections.

python -m mmfmkt.lab.benchmark.coco_evaluation --images 5000 --classes 80
"""

import argparse
import contextlib
import io
import time

import numpy as np
from mmdet.datasets.api_wrappers import COCO, COCOeval

BOXES, NEAR, ELSEWHERE = 7, 6, 60  # objects of an image, detections near each, and others, as detectors have many
WIDTH, HEIGHT = 640, 480


def made_up(images: int, classes: int) -> tuple[dict, list[dict]]:
    """Annotations and detections in COCO's format."""
    generator = np.random.default_rng(0)
    annotations: list[dict] = []
    detections: list[dict] = []
    for image in range(1, images + 1):
        for _ in range(BOXES):
            label, box = int(generator.integers(classes)) + 1, random_box(generator)
            area = box[2] * box[3]
            about = dict(image_id=image, category_id=label, bbox=box, area=area, iscrowd=0)
            annotations.append(dict(about, id=len(annotations) + 1))
            for _ in range(NEAR):
                other = label if generator.random() < 0.7 else int(generator.integers(classes)) + 1
                near = np.maximum(np.add(box, generator.normal(0, 8, 4)), 1).tolist()
                detections.append(dict(image_id=image, category_id=other, bbox=near, score=generator.random()))
        for _ in range(ELSEWHERE):
            label, score = int(generator.integers(classes)) + 1, 0.3 * generator.random()
            detections.append(dict(image_id=image, category_id=label, bbox=random_box(generator), score=score))
    about_images = [dict(id=number, width=WIDTH, height=HEIGHT) for number in range(1, images + 1)]
    names = [dict(id=number, name=str(number)) for number in range(1, classes + 1)]
    return dict(images=about_images, annotations=annotations, categories=names), detections


def random_box(generator: np.random.Generator) -> list[float]:
    width, height = generator.uniform(10, 200, 2)
    return [generator.uniform(0, WIDTH - width), generator.uniform(0, HEIGHT - height), width, height]


def main() -> None:
    from faster_coco_eval import COCOeval_faster  # an extra

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--images', type=int, default=5000)
    parser.add_argument('--classes', type=int, default=80)
    args = parser.parse_args()
    content, detections = made_up(args.images, args.classes)
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = content
        truth.createIndex()
        found = truth.loadRes(detections)
    figures, seconds = {}, {}
    for name, kind in (('pycocotools', COCOeval), ('faster-coco-eval', COCOeval_faster)):
        start = time.perf_counter()
        with contextlib.redirect_stdout(io.StringIO()):
            evaluation = kind(truth, found, 'bbox')
            evaluation.evaluate()
            evaluation.accumulate()
            evaluation.summarize()
        seconds[name], figures[name] = time.perf_counter() - start, evaluation.stats[:12]
        print(f'{name}: {seconds[name]:.1f} s, AP {100 * figures[name][0]:.2f}')
    one, other = figures.values()
    print(
        f'{seconds["pycocotools"] / seconds["faster-coco-eval"]:.1f} x, figures differ by {np.abs(one - other).max()}'
    )


if __name__ == '__main__':
    main()
