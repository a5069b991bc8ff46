"""From an exported detector and images to pictures and a file of what was found."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path

import cv2
import mmcv
import numpy as np
import torch
from mmdet.structures import DetDataSample
from mmdet.visualization import DetLocalVisualizer
from mmengine.structures import InstanceData

from mmfmkt.common.files import IMAGES
from mmfmkt.common.progress import with_progress
from mmfmkt.deploy.predictors import Found, load_predictor

RESULTS = 'detections.json'
UNREADABLE = 'IMAGE must be an image that OpenCV reads'


def predict(args: argparse.Namespace) -> list[Path]:
    """What `tools/predict.py` does: write a picture of each image and one file of all detections; return the files.

    Raises:
        FileNotFoundError: if the model or an image is not there, or if a folder has no image.
        ValueError: if the model is no exported detector with boxes, if a file is no image, or if two images have one
            name.
    """
    if not 0 <= args.score_thr <= 1:
        raise ValueError(f'--score-thr must be in [0, 1], but got {args.score_thr}')
    files = find_images(args.images)
    predictor, out = load_predictor(args.model), Path(args.out)
    visualizer = DetLocalVisualizer()
    visualizer.dataset_meta = dict(classes=predictor.classes or [], palette='random')
    detections, written = [], []
    out.mkdir(parents=True, exist_ok=True)
    try:
        for file in with_progress('images', files, len(files)):
            image = mmcv.imread(str(file), predictor.color_type)
            if image is None:
                raise ValueError(f'{UNREADABLE}, but got {file}')
            found = above(predictor(image), args.score_thr)
            detections += entries(file, found, predictor.classes)
            written.append(out / f'{file.stem}.png')
            sample = DetDataSample(pred_instances=instances(found))
            visualizer.add_datasample(
                file.name, in_colors(image), sample, draw_gt=False, pred_score_thr=0, out_file=str(written[-1])
            )
    finally:  # what was found before an error is worth having
        (out / RESULTS).write_text(json.dumps(detections, indent=1))
    return [*written, out / RESULTS]


def find_images(places: list[str]) -> list[Path]:
    """The images that were named, and those in the folders that were named."""
    files = []
    for place in map(Path, places):
        if not place.exists():
            raise FileNotFoundError(f'IMAGE must be there, but {place} is not (current folder: {Path.cwd()})')
        inside = (
            sorted(file for file in place.iterdir() if file.suffix.lower() in IMAGES) if place.is_dir() else [place]
        )
        if not inside:
            raise FileNotFoundError(f'a folder must have images ({", ".join(IMAGES)}), but {place} has none')
        files += inside
    if twice := sorted(name for name, count in Counter(file.stem for file in files).items() if count > 1):
        raise ValueError(
            f'images must have different names, because their pictures do, but there are several {twice[0]}'
        )
    if unreadable := [file for file in files if not cv2.haveImageReader(str(file))]:
        raise ValueError(f'{UNREADABLE}, but got {unreadable[0]}')
    return files


def in_colors(image: np.ndarray) -> np.ndarray:
    """An image (H, W), grey, or (H, W, C), whose channels begin with blue, green and red, as (H, W, 3) in RGB."""
    return image[..., 2::-1] if image.ndim == 3 else np.stack([image] * 3, axis=2)


def above(found: Found, threshold: float) -> Found:
    return Found(*(part[found.scores >= threshold] for part in found))


def instances(found: Found) -> InstanceData:
    boxes, scores, labels = map(torch.as_tensor, found)
    return InstanceData(bboxes=boxes, scores=scores, labels=labels)


def entries(file: Path, found: Found, classes: list[str] | None) -> list[dict]:
    """What was found in an image, in the form of COCO's results, with the names of image and class."""
    return [
        dict(
            image=str(file),
            category=classes[label] if classes else str(label),
            category_id=int(label),
            bbox=[round(float(number), 2) for number in (x1, y1, x2 - x1, y2 - y1)],
            score=round(float(score), 5),
        )
        for (x1, y1, x2, y2), score, label in zip(*found)
    ]
