"""Images to look at, with their ground truth where there is one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from mmdet.structures import DetDataSample
from mmengine.dataset import pseudo_collate
from mmengine.structures import InstanceData
from torch import Tensor

from mmfmkt.common.datasets import DataSet
from mmfmkt.models import FMKTDistill

from .recording import LevelPath, record_paths


@dataclass(frozen=True)
class Photo:
    """An image as a pipeline of MMDetection makes it, and its objects in pixels of the file, or None if unknown."""

    data: dict
    truth: InstanceData | None

    @property
    def sample(self) -> DetDataSample:
        return self.data['data_samples']

    @property
    def pixels(self) -> np.ndarray:
        """What the detectors see, (H, W, 3) uint8, RGB."""
        return pixels_of(self.data['inputs'])

    @property
    def scale(self) -> tuple[float, float]:
        """Of width and height, from the file to these pixels."""
        return self.sample.get('scale_factor') or (1.0, 1.0)

    @property
    def unscaled(self) -> np.ndarray:
        """These pixels in the size of the file, to which detections are scaled back."""
        across, down = self.scale
        return cv2.resize(self.pixels, None, fx=1 / across, fy=1 / down)

    @property
    def boxes(self) -> Tensor:
        """The boxes of its objects in these pixels, (K, 4)."""
        return self.truth.bboxes * self.truth.bboxes.new_tensor([*self.scale, *self.scale])


def pixels_of(inputs: Tensor) -> np.ndarray:
    """An image (C, H, W) as OpenCV reads it, as (H, W, 3) uint8, RGB; one of other than 3 channels by its first.

    What has other numbers than 0 to 255, as an image of 16 bits or a normalised one, is shown from its darkest to its
    brightest.
    """
    values = inputs.float()
    shown = values.flip(0) if len(inputs) == 3 else values[:1].repeat(3, 1, 1)
    low, high = shown.min(), shown.max()
    if low < 0 or high > 255:
        shown = (shown - low) * (255 / (high - low).clamp(min=1e-6))
    return shown.permute(1, 2, 0).byte().numpy()


def photo_from(dataset: DataSet, index: int) -> Photo:
    """An image of a data set, with its objects as the annotation file has them, whatever the pipeline does to them."""
    about = dataset.get_data_info(index)
    objects = [each for each in about.get('instances', ()) if not each.get('ignore_flag')]
    truth = InstanceData(
        bboxes=torch.tensor([each['bbox'] for each in objects], dtype=torch.float32).reshape(-1, 4),
        labels=torch.tensor([each['bbox_label'] for each in objects], dtype=torch.long),
    )
    return Photo(dataset[index], truth)


def photo_of_file(path: str, pipeline: Callable[[dict], dict]) -> Photo:
    """An image of which nothing is known."""
    return Photo(pipeline(dict(img_path=path, img_id=0, instances=[])), None)


def in_batches(dataset: DataSet, num_images: int, batch_size: int) -> Iterator[list[Photo]]:
    """The first images of a data set, all of it if it has fewer."""
    indices = range(min(num_images, len(dataset)))
    for start in indices[::batch_size]:
        yield [photo_from(dataset, index) for index in indices[start : start + batch_size]]


def collate(photos: Iterable[Photo]) -> dict:
    """Images as a data loader gives them to a detector."""
    return pseudo_collate([photo.data for photo in photos])


def paths_through(algorithm: FMKTDistill, photos: Iterable[Photo]) -> dict[int, LevelPath]:
    """Level -> the path of the flow on these images, as one batch."""
    batch = algorithm.data_preprocessor(collate(photos), False)
    return record_paths(algorithm, batch['inputs'], batch['data_samples'])
