"""The cheap meta-encoder."""

from mmrazor.registry import MODELS
from torch import nn

from .base import ChannelNorm, MetaEncoder


@MODELS.register_module()
class LightMetaEncoder(MetaEncoder):
    """A bottleneck of two 3x3 convolutions, C -> C/8 -> C: 0.21 M parameters a level at C = 256."""

    def build_layers(self, channels: int) -> nn.Sequential:
        hidden = max(4, channels // 8)  # a norm over one channel is always zero
        return nn.Sequential(
            ChannelNorm(channels),
            nn.ReLU(),
            nn.Conv2d(channels, hidden, 3, padding=1, bias=False),
            ChannelNorm(hidden),
            nn.ReLU(),
            nn.Conv2d(hidden, channels, 3, padding=1, bias=False),
        )
