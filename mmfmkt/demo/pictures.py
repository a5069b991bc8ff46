"""Ground truth and detections side by side."""
from pathlib import Path
from typing import Sequence

import cv2
import matplotlib
import torch
from mmcv.ops import nms
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import bbox_overlaps
from mmengine.structures import InstanceData

matplotlib.use('Agg')
from matplotlib import pyplot as plt  # noqa: E402 (the backend is chosen first: there may be no screen)

SCORE_THRESHOLD = 0.3
MATCH_IOU = 0.5
RIGHT, WRONG = '#35e06b', '#ff5252'


def is_right(box: torch.Tensor, label: int, truth: InstanceData) -> bool:
    """Does a detection have the class of a ground-truth box that it overlaps by half?"""
    overlaps = bbox_overlaps(box[None], truth.bboxes[truth.labels == label])
    return overlaps.numel() > 0 and overlaps.max().item() >= MATCH_IOU


def best_of_each_place(found: InstanceData) -> InstanceData:
    """The confident detections; of those that overlap by half, whatever their class, the most confident."""
    found = found[found.scores > SCORE_THRESHOLD]
    _, kept = nms(found.bboxes, found.scores, iou_threshold=MATCH_IOU)
    return found[kept]


def draw_instances(axes: plt.Axes, instances: InstanceData, truth: InstanceData, classes: Sequence[str]) -> None:
    for k, (box, label) in enumerate(zip(instances.bboxes, instances.labels.tolist())):
        x, y, right, bottom = box.tolist()
        colour = RIGHT if is_right(box, label, truth) else WRONG
        axes.add_patch(plt.Rectangle((x, y), right - x, bottom - y, fill=False, color=colour, linewidth=1.4))
        score = f' {instances.scores[k]:.2f}' if 'scores' in instances else ''
        axes.text(x, y - 2, classes[label] + score, color='black', fontsize=7, backgroundcolor=colour,
                  bbox=dict(facecolor=colour, edgecolor='none', pad=0.8))


def draw_detections(detections: dict[str, Sequence[DetDataSample]], classes: Sequence[str], file: Path) -> None:
    """One row an image, one column for the ground truth and for every detector.

    Args:
        detections: title of the detector -> its results on the same images, boxes in pixels of the image.
        classes: names of the labels.
        file: PNG to write.
    """
    samples = next(iter(detections.values()))
    figure, grid = plt.subplots(
        len(samples), 1 + len(detections), figsize=(2.6 * (1 + len(detections)), 2.75 * len(samples)), squeeze=False)
    for row, sample in zip(range(len(samples)), samples):
        image = cv2.cvtColor(cv2.imread(sample.img_path), cv2.COLOR_BGR2RGB)
        truth = sample.gt_instances
        columns = [('ground truth', truth)]
        for title, results in detections.items():
            columns.append((title, best_of_each_place(results[row].pred_instances)))
        for axes, (title, instances) in zip(grid[row], columns):
            axes.imshow(image)
            axes.set_axis_off()
            draw_instances(axes, instances, truth, classes)
            if row == 0:
                axes.set_title(title, fontsize=11)
    figure.suptitle(
        f'The best detection of each place with a score above {SCORE_THRESHOLD}, on validation images: green where an object of that class '
        f'is there (IoU at least {MATCH_IOU}), red where not', fontsize=11)
    figure.tight_layout(rect=(0, 0, 1, 0.985))
    figure.savefig(file, dpi=110)
    plt.close(figure)
