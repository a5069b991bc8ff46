"""The meta-encoder of ConvNeXt blocks."""

import torch
from mmrazor.registry import MODELS
from torch import Tensor, nn

from .base import ChannelNorm, MetaEncoder


class ConvNeXtBlock(nn.Module):
    """`x + s * {depthwise 7x7, norm, 1x1 C→4C, GELU, 1x1 4C→C}(x)` (arXiv:2201.03545), (B, C, H, W) -> (B, C, H, W).

    `s` is a scale for each channel that starts at 1: the usual 1e-6 is for stacks of dozens of blocks, and would keep
    these two from learning for as long as a detector is trained.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            nn.Conv2d(channels, channels, 7, padding=3, groups=channels),
            ChannelNorm(channels),
            nn.Conv2d(channels, 4 * channels, 1),
            nn.GELU(),
            nn.Conv2d(4 * channels, channels, 1),
        )
        self.layer_scale = nn.Parameter(torch.ones(channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layer_scale * self.branch(x)


@MODELS.register_module()
class ConvNeXtMetaEncoder(MetaEncoder):
    """Two ConvNeXt blocks, each followed by a norm, and a 1x1 convolution: 1.21 M parameters a level at C = 256.

    Public code ends with the norm. A velocity of the same length at every location cannot vanish where student and
    teacher agree, so here a convolution follows, which can also start at zero.
    """

    def build_layers(self, channels: int) -> nn.Sequential:
        return nn.Sequential(
            ConvNeXtBlock(channels),
            ChannelNorm(channels),
            ConvNeXtBlock(channels),
            ChannelNorm(channels),
            nn.Conv2d(channels, channels, 1, bias=False),
        )
