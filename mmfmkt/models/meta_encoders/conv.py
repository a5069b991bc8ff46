"""The meta-encoder of plain convolutions."""

from mmrazor.registry import MODELS
from torch import Tensor, nn

from .base import ChannelNorm, MetaEncoder


class ResidualBlock(nn.Sequential):
    """`x + {1x1, norm, ReLU, 3x3, norm}(x)`, (B, C, H, W) -> (B, C, H, W)."""

    def __init__(self, channels: int) -> None:
        super().__init__(
            nn.Conv2d(channels, channels, 1, bias=False),
            ChannelNorm(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            ChannelNorm(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + super().forward(x)


@MODELS.register_module()
class ConvMetaEncoder(MetaEncoder):
    """Two residual blocks and a 1x1 convolution: 1.44 M parameters a level at C = 256."""

    def build_layers(self, channels: int) -> nn.Sequential:
        return nn.Sequential(
            ResidualBlock(channels), ResidualBlock(channels), nn.Conv2d(channels, channels, 1, bias=False)
        )
