"""Paths of a flow, made by hand."""

import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData

from mmfmkt.visualization import LevelPath, Photo

SIZE = 32


@pytest.fixture
def make_path():
    """A path in a straight line from a source to an output, with a target: (B, C, H, W) each."""

    def make(source, output, target, num_steps=2, stride=8):
        states = tuple(torch.lerp(source, output, step / num_steps) for step in range(num_steps + 1))
        return LevelPath(stride, states, (output,) * num_steps, target)

    return make


@pytest.fixture
def photos():
    """Two images of 32 pixels with one object each."""

    def photo(number):
        sample = DetDataSample(
            metainfo=dict(img_shape=(SIZE, SIZE), scale_factor=(1.0, 1.0), img_path=f'folder/{number}.jpg')
        )
        truth = InstanceData(
            bboxes=torch.tensor([[8.0 * number, 8.0, 8.0 * number + 8, 16.0]]), labels=torch.tensor([number])
        )
        pixels = torch.from_numpy(np.full((3, SIZE, SIZE), 100 + number, dtype=np.uint8))
        return Photo(dict(inputs=pixels, data_samples=sample), truth)

    return [photo(1), photo(2)]


@pytest.fixture
def perfect(make_path):
    """Level -> a path in float64 whose output is its target, of two levels of two images."""
    generator = torch.Generator().manual_seed(0)

    def level(size, stride):
        source, target = torch.randn(2, 2, 6, size, size, dtype=torch.float64, generator=generator)
        return make_path(source, target, target, stride=stride)

    return {0: level(4, 8), 1: level(2, 16)}
