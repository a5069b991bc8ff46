"""The meta-encoder of shifted-window attention."""

from mmdet.models.backbones.swin import SwinBlock
from mmrazor.registry import MODELS
from torch import Tensor, nn

from .base import MetaEncoder

NUM_HEADS = 4


class MapSwinBlock(SwinBlock):
    """mmdet's block on a map, (B, C, H, W) -> (B, C, H, W). It pads the map to whole windows and crops it again."""

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        tokens = super().forward(x.flatten(2).transpose(1, 2), (height, width))
        return tokens.transpose(1, 2).unflatten(2, (height, width))


@MODELS.register_module()
class SwinMetaEncoder(MetaEncoder):
    """A block of shifted-window attention (arXiv:2103.14030; 4 heads, windows of 7) and a 1x1 convolution: 0.92 M
    parameters a level at C = 256.

    Args:
        channels: C, a multiple of 4.
        zero_init: see :class:`MetaEncoder`.

    Raises:
        ValueError: if `channels` is not a multiple of 4.
    """

    def build_layers(self, channels: int) -> nn.Sequential:
        if channels % NUM_HEADS:
            raise ValueError(
                f'`channels` of SwinMetaEncoder must be a multiple of its {NUM_HEADS} heads, but got {channels}'
            )
        block = MapSwinBlock(channels, NUM_HEADS, feedforward_channels=4 * channels, window_size=7, shift=True)
        return nn.Sequential(block, nn.Conv2d(channels, channels, 1, bias=False))
