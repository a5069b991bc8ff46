"""A network of timm as a teacher: feature maps without heads."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmdet.models import DetDataPreprocessor
from mmengine.logging import print_log
from mmengine.model import BaseModel
from mmrazor.registry import MODELS
from torch import Tensor, nn

from mmfmkt.common.checkpoints import load_exactly

from .timm_models import build_network, read_weights, without_classifier

FINEST = 4  # the smallest stride of a detector's pyramid
OF_ONE_STRIDE = (8, 16, 32)  # what is made of a network whose maps all have one


@MODELS.register_module()
class TimmTeacher(BaseModel):
    """A network of timm that looks like a detector without heads: a preprocessor, a backbone and a neck.

    It makes feature maps (B, C, H / s, W / s) of images (B, 3, H, W), one for each stride s; H and W are multiples of
    the largest stride, to which a teacher's images are padded. Images are RGB, normalised with the network's own mean
    and deviation. Nothing in it is trained, and it is built with random weights; `load` gives it those of a file.

    A level is the last map of the network whose stride is nearest, resized without anything learned: bilinearly if it
    becomes finer, by means over areas if it becomes coarser. That is ViTDet's simple pyramid (arXiv:2203.16527) without
    its convolutions. Images are resized before for a patch whose size is no power of two, so that its map lies on the
    student's grid: with patches of 14 pixels to 14/16 of their size, and the map has stride 16. Maps of a network all
    of whose maps have one stride, as a ViT, are normalised by its last norm.

    Args:
        model: its name, as 'vit_small_patch14_dinov2' or 'resnet50.a1_in1k'.
        strides: of its levels, powers of 2 that increase. By default those of its own maps from 4 on, and 8, 16 and 32
            if all of them have one stride.
        layers: the map that each level is made of, counted from 0, or from the last (-1) backwards: one for all levels,
            or one for each stride. Blocks of a ViT, stages of others. By default the last of the nearest stride.

    Raises:
        ImportError: if timm cannot be imported.
        ValueError: if timm has no such network, or if strides or layers are none.
    """

    def __init__(
        self, model: str, strides: Sequence[int] | None = None, layers: int | Sequence[int] | None = None
    ) -> None:
        network = build_network(model, num_classes=0)
        own = [int(info['reduction']) for info in network.feature_info]
        plain = len(set(own)) == 1
        grid = [nearest_power(stride) for stride in own]
        levels = default_strides(grid) if strides is None else check_strides(strides)
        if layers is None:
            chosen = [nearest(grid, level) for level in levels]
        else:
            chosen = check_layers(layers, levels, len(grid))
        indices = sorted(set(chosen))
        statistics = ([255 * value for value in network.pretrained_cfg[key]] for key in ('mean', 'std'))
        super().__init__(
            DetDataPreprocessor(*statistics, bgr_to_rgb=True, pad_size_divisor=math.lcm(*levels, *set(grid)))
        )
        self.model = model
        self.backbone = TimmBackbone(network, indices, plain, own[0] / grid[0] if plain else 1.0)
        self.neck = ResizedLevels([(indices.index(layer), grid[layer], level) for layer, level in zip(chosen, levels)])

    def extract_feat(self, images: Tensor) -> tuple[Tensor, ...]:
        """Images (B, 3, H, W) -> a map (B, C, H / s, W / s) for each stride s."""
        return self.neck(self.backbone(images))

    def forward(self, inputs: Tensor, data_samples: list | None = None, mode: str = 'tensor') -> tuple[Tensor, ...]:
        return self.extract_feat(inputs)

    def load(self, checkpoint: str | None) -> None:
        """Load every weight that is read, and free what comes after the last map.

        Args:
            checkpoint: a file or an address, or 'timm' for the weights that timm names, which it fetches.

        Raises:
            ValueError: if there is none, if it cannot be read, or if it belongs to another network, in which case the
                message lists the keys.
            FileNotFoundError: if the file is not there.
            ConnectionError: if it cannot be fetched.
        """
        network = self.backbone.network
        weights = without_classifier(read_weights(self.model, checkpoint), network)
        load_exactly(network, weights, f'`teacher_ckpt` {checkpoint}', f'Give the weights of {self.model}')
        self.backbone.prune()
        print_log(f'the teacher {self.model} has its weights from {checkpoint}', 'current')


class TimmBackbone(nn.Module):
    """Runs a network of timm.

    Args:
        network: the network.
        indices: which of its maps are returned, in their order.
        norm: whether the last norm of the network runs on each of them.
        scale: of the images that it sees, to those that it is given.
    """

    def __init__(self, network: Any, indices: list[int], norm: bool, scale: float) -> None:
        super().__init__()
        self.network, self.indices, self.norm, self.scale = network, indices, norm, scale

    def extra_repr(self) -> str:
        return f'indices={self.indices}, norm={self.norm}, scale={self.scale}'

    def forward(self, images: Tensor) -> list[Tensor]:
        """Images (B, 3, H, W) -> maps (B, C, H / s, W / s), whatever the strides s of the network are."""
        if self.scale != 1:
            size = [round(length * self.scale) for length in images.shape[2:]]
            images = F.interpolate(images, size=size, mode='bilinear', antialias=True)
        maps = self.network.forward_intermediates(
            images, indices=self.indices, norm=self.norm, output_fmt='NCHW', intermediates_only=True
        )
        device = images.device.type
        if not torch.is_autocast_enabled(device):
            return maps
        dtype = torch.get_autocast_dtype(device)  # a last norm leaves float32, convolutions this
        return [feature.to(dtype) for feature in maps]

    def prune(self) -> None:
        """Free the layers that no map depends on."""
        self.network.prune_intermediate_layers(self.indices, prune_norm=not self.norm)


class ResizedLevels(nn.Module):
    """The levels of a pyramid, made of feature maps without anything learned.

    Args:
        levels: of each level, the number of its map, the stride of that, and its own stride.
    """

    def __init__(self, levels: list[tuple[int, int, int]]) -> None:
        super().__init__()
        self.levels = levels

    def extra_repr(self) -> str:
        return f'levels={self.levels}'

    def forward(self, maps: Sequence[Tensor]) -> tuple[Tensor, ...]:
        return tuple(resized(maps[number], stride, wanted) for number, stride, wanted in self.levels)


def resized(feature: Tensor, stride: int, wanted: int) -> Tensor:
    """A map (B, C, H / stride, W / stride) at another stride, where its locations lie on the same image."""
    if stride == wanted:
        return feature
    size = [length * stride // wanted for length in feature.shape[2:]]
    return F.interpolate(feature, size=size, mode='bilinear' if wanted < stride else 'area')


def nearest_power(stride: int) -> int:
    """The power of 2 whose ratio to a stride is nearest to 1: 16 for 14."""
    return 2 ** round(math.log2(stride))


def nearest(strides: Sequence[int], wanted: int) -> int:
    """The index of the stride whose ratio to another is nearest to 1, the last of several."""
    return min(range(len(strides)), key=lambda index: (abs(math.log2(strides[index] / wanted)), -index))


def default_strides(own: Sequence[int]) -> list[int]:
    """The strides of a network's pyramid: its own that a detector may have, or a few if they are all the same."""
    distinct = sorted(set(own))
    return list(OF_ONE_STRIDE) if len(distinct) == 1 else [stride for stride in distinct if stride >= FINEST]


def check_strides(strides: Sequence[int]) -> list[int]:
    """Strides as they are, or a ValueError if they are none."""
    whole = isinstance(strides, (list, tuple)) and all(isinstance(stride, int) and stride > 0 for stride in strides)
    if not whole or not strides or list(strides) != sorted({nearest_power(stride) for stride in strides}):
        raise ValueError(
            f'`strides` of a TimmTeacher must be powers of 2 that increase, as (8, 16, 32), but got {strides!r}'
        )
    return list(strides)


def check_layers(layers: int | Sequence[int], strides: Sequence[int], number: int) -> list[int]:
    """The map of each level, counted from 0, or a ValueError if there are not as many, or if one is not there."""
    listed = [layers] * len(strides) if isinstance(layers, int) else layers
    fits = isinstance(listed, (list, tuple)) and len(listed) == len(strides)
    if not fits or not all(isinstance(layer, int) and -number <= layer < number for layer in listed):
        raise ValueError(
            f'`layers` of a TimmTeacher must be one number of a map, or one for each of the strides {tuple(strides)}, '
            f'from {-number} to {number - 1}, but got {layers!r}'
        )
    return [layer % number for layer in listed]
