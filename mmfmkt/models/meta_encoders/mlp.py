"""The meta-encoder without neighbours: the same network at every location."""

from mmrazor.registry import MODELS
from torch import Tensor, nn

from .base import ChannelNorm, MetaEncoder


class MLPBlock(nn.Module):
    """`norm(x + {1x1, ReLU, 1x1}(x))`, (B, C, H, W) -> (B, C, H, W)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(nn.Conv2d(channels, channels, 1), nn.ReLU(), nn.Conv2d(channels, channels, 1))
        self.norm = ChannelNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x + self.branch(x))


@MODELS.register_module()
class MLPMetaEncoder(MetaEncoder):
    """`depth` MLP blocks and a 1x1 convolution: 0.40 M parameters a level at C = 256; the one for vectors (B, C).

    Args:
        channels: C, an even number of at least 2.
        depth: how many blocks, at least 1.
        zero_init: see :class:`MetaEncoder`.

    Raises:
        ValueError: if `channels` is odd or less than 2, or if `depth` is less than 1.
    """

    def __init__(self, channels: int, depth: int = 2, zero_init: bool = True) -> None:
        if depth < 1:
            raise ValueError(f'`depth` of MLPMetaEncoder must be at least 1, but got {depth}')
        self.depth = depth
        super().__init__(channels, zero_init)

    def build_layers(self, channels: int) -> nn.Sequential:
        blocks = [MLPBlock(channels) for _ in range(self.depth)]
        return nn.Sequential(*blocks, nn.Conv2d(channels, channels, 1, bias=False))
