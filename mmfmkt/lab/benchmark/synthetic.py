"""A pair without a data set and without checkpoints: random images, and weights as they are before any training."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks
from mmengine.config import ConfigDict
from mmengine.model import BaseModel
from mmengine.structures import InstanceData
from torch import Tensor, nn

from mmfmkt.common.building import build_detector
from mmfmkt.common.config_files import read_detector_config

OBJECTS = 8  # in an image; COCO has 7 on average
SEED = 0
RANDOM = (
    'uniform_',
    'normal_',
    'trunc_normal_',
    'xavier_uniform_',
    'xavier_normal_',
    'kaiming_uniform_',
    'kaiming_normal_',
)


def without_pretrained(config: Any) -> Any:
    """A config without the weights that parts of it start with."""
    if isinstance(config, dict):
        return {key: None if is_pretrained(key, value) else without_pretrained(value) for key, value in config.items()}
    return type(config)(map(without_pretrained, config)) if isinstance(config, (list, tuple)) else config


def is_pretrained(key: str, value: Any) -> bool:
    return key == 'pretrained' or key == 'init_cfg' and isinstance(value, dict) and value.get('type') == 'Pretrained'


@contextmanager
def quick_initialisation() -> Iterator[None]:
    """Random weights come from one small sample, over and over: times do not depend on them, and building is faster.

    With their size a layer keeps the size of its inputs. Random biases are zero; what is not random is as always.
    """
    sample = torch.randn(2**16, generator=torch.Generator().manual_seed(SEED))

    def fill(tensor: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        scale = tensor[:1].numel() ** -0.5 if tensor.dim() > 1 else 0.0
        values = (scale * sample).repeat(-(-tensor.numel() // len(sample)))[: tensor.numel()]
        tensor.detach().copy_(values.view(tensor.shape))
        return tensor

    before = {name: getattr(nn.init, name) for name in RANDOM}
    try:
        for name in before:
            setattr(nn.init, name, fill)
        yield
    finally:
        for name, function in before.items():
            setattr(nn.init, name, function)


def initialised(model: BaseModel) -> BaseModel:
    """A model with the weights that it begins its training with, the same each time."""
    torch.manual_seed(SEED)
    model.init_weights()
    return model


def make_teacher(config: str | dict, file: Path) -> dict:
    """The settings of a teacher whose weights are written to a file."""
    teacher = without_pretrained(ConfigDict(read_detector_config(config)).to_dict())
    with quick_initialisation():
        torch.save(initialised(build_detector(teacher)).state_dict(), file)
    return dict(teacher=teacher, teacher_ckpt=str(file))


def make_batch(num_images: int, shape: tuple[int, int], num_classes: int, channels: int = 3) -> dict[str, list]:
    """What a data loader hands over: images (C, H, W) of bytes, and samples with boxes, labels and masks."""
    generator = torch.Generator().manual_seed(SEED)
    height, width = shape
    images, samples = [], []
    for _ in range(num_images):
        images.append(torch.randint(256, (channels, height, width), dtype=torch.uint8, generator=generator))
        corners = torch.rand(OBJECTS, 2, generator=generator) * torch.tensor([width, height]) * 0.7
        sizes = (0.05 + 0.25 * torch.rand(OBJECTS, 2, generator=generator)) * torch.tensor([width, height])
        masks = BitmapMasks(np.ones((OBJECTS, height, width), dtype=np.uint8), height, width)
        sample = DetDataSample(metainfo=dict(img_shape=shape, ori_shape=shape, scale_factor=(1.0, 1.0), img_id=0))
        sample.gt_instances = InstanceData(
            bboxes=torch.cat([corners, corners + sizes], 1),
            masks=masks,
            labels=torch.randint(num_classes, (OBJECTS,), generator=generator),
        )
        sample.ignored_instances = InstanceData(bboxes=torch.zeros(0, 4), labels=torch.zeros(0, dtype=torch.int64))
        samples.append(sample)
    return dict(inputs=images, data_samples=samples)
