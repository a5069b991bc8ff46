"""Ground truth and detections side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from mmcv.ops import nms
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import bbox_overlaps
from mmengine.structures import InstanceData

from .figures import captioned_figure, names_of_users, save

SCORE_THRESHOLD = 0.3
MATCH_IOU = 0.5
RIGHT, WRONG, UNKNOWN = '#35e06b', '#ff5252', '#ffd23f'
WIDTH = 2.6  # inches of an image
CAPTION = (
    f'The best detection of each place with a score above {SCORE_THRESHOLD}; the number is the score, 1 = certain. '
    f'Green: an object of that class is there (the boxes share at least {MATCH_IOU:.0%} of their common area). Red: '
    'not.'
)
UNKNOWN_TRUTH = ' Yellow: nobody knows what is in the image.'


def is_right(box: torch.Tensor, label: int, truth: InstanceData) -> bool:
    """Does a detection have the class of a ground-truth box that it overlaps by half?"""
    overlaps = bbox_overlaps(box[None], truth.bboxes[truth.labels == label])
    return overlaps.numel() > 0 and overlaps.max().item() >= MATCH_IOU


def best_of_each_place(found: InstanceData) -> InstanceData:
    """The confident detections; of those that overlap by half, whatever their class, the most confident."""
    found = found[found.scores > SCORE_THRESHOLD]
    _, kept = nms(found.bboxes, found.scores, iou_threshold=MATCH_IOU)
    return found[kept]


def draw_instances(axes: Axes, instances: InstanceData, truth: InstanceData | None, classes: Sequence[str]) -> None:
    """Boxes in their colours, with class and score."""
    for k, (box, label) in enumerate(zip(instances.bboxes, instances.labels.tolist())):
        x, y, right, bottom = box.tolist()
        colour = UNKNOWN if truth is None else RIGHT if is_right(box, label, truth) else WRONG
        axes.add_patch(Rectangle((x, y), right - x, bottom - y, fill=False, color=colour, linewidth=1.4))
        score = f' {instances.scores[k]:.2f}' if 'scores' in instances else ''
        top = max(y, 0.04 * axes.get_ylim()[0])  # of a box that begins above the image, the label stands inside
        axes.text(
            x,
            top,
            classes[label] + score,
            color='black',
            fontsize=7,
            va='bottom',
            clip_on=True,
            bbox=dict(facecolor=colour, edgecolor='none', pad=0.8, clip_on=True),
        )


def draw_detections(detections: Mapping[str, Sequence[DetDataSample]], classes: Sequence[str], file: Path) -> None:
    """Write the PNG of :func:`detections_figure`."""
    save(detections_figure(detections, classes), Path(file))


def image_of(sample: DetDataSample) -> np.ndarray:
    """The file of an image, (H, W, 3), RGB."""
    image = cv2.imread(sample.img_path)
    if image is None:
        raise ValueError(f'an image must be a file that OpenCV reads to be drawn, but {sample.img_path} is none')
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


@names_of_users()
def detections_figure(
    detections: Mapping[str, Sequence[DetDataSample]],
    classes: Sequence[str],
    images: Sequence[np.ndarray] | None = None,
) -> Figure:
    """One row an image, one column for the ground truth, if any is known, and one for every detector.

    Args:
        detections: title of the detector -> its results on the same images, boxes in pixels of the image; those of the
            first have the ground truth in `gt_instances`, where it is known.
        classes: names of the labels.
        images: as a pipeline has read them, (H, W, 3) uint8, RGB; by default their files.

    Raises:
        ValueError: if a file is no image.
    """
    samples = next(iter(detections.values()))
    images = [image_of(sample) for sample in samples] if images is None else images
    truths = [sample.get('gt_instances') for sample in samples]
    known = any(truth is not None for truth in truths)
    width = WIDTH * (known + len(detections))
    height = 1.1 + WIDTH * sum(image.shape[0] / image.shape[1] for image in images)
    figure = captioned_figure(
        max(width, 5.5),
        height,
        'Ground truth and detections' if known else 'Detections',
        CAPTION + UNKNOWN_TRUTH * (None in truths),
    )
    grid = figure.subplots(len(samples), known + len(detections), squeeze=False)
    for number, (row, image, truth) in enumerate(zip(grid, images, truths)):
        columns = {'ground truth': truth} if known else {}
        columns.update(
            (title, best_of_each_place(results[number].pred_instances)) for title, results in detections.items()
        )
        for axes, (title, instances) in zip(row, columns.items()):
            axes.imshow(image)
            axes.set_axis_off()
            axes.set_title('' if number else title, fontsize=11)
            if instances is None:
                axes.text(
                    0.5,
                    0.5,
                    'unknown',
                    transform=axes.transAxes,
                    ha='center',
                    bbox=dict(facecolor=UNKNOWN, edgecolor='none'),
                )
            else:
                draw_instances(axes, instances, truth, classes)
    return figure
