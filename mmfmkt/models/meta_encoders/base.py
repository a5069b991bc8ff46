"""What all meta-encoders share: the time embedding and the start as the identity."""

import math

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn


class TimeEmbedding(BaseModule):
    """A sinusoid of the time, then a linear layer: t -> (1, C, 1, 1).

    The sinusoid is `cos(t w_k) ‖ sin(t w_k)` with `w_k = 10000^(-2k / C)`, as in "Attention Is All You Need"
    (arXiv:1706.03762, section 3.5), for t in [0, 1].
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        frequencies = torch.exp(-math.log(10000) * torch.arange(half, dtype=torch.float64) / half)
        self.register_buffer('frequencies', frequencies.float(), persistent=False)
        self.linear = nn.Linear(channels, channels)

    def forward(self, t: float) -> Tensor:
        if not 0 <= t <= 1:
            raise ValueError(f'`t` must lie in [0, 1], where 1 is the student and 0 the teacher, but got {t}')
        angles = t * self.frequencies
        return self.linear(torch.cat([angles.cos(), angles.sin()]))[None, :, None, None]


class ChannelNorm(nn.LayerNorm):
    """LayerNorm over the channels of each location of a (B, C, H, W) map.

    Independent of the batch, of padding and of the mode, so training and inference give the same flow. Under mixed
    precision it reads and returns what the convolutions around it do, and takes its statistics in float32, as PyTorch's
    kernels do; autocast would keep both maps in float32 for the backward pass.
    """

    def forward(self, x: Tensor) -> Tensor:
        weight, bias = self.weight.to(x.dtype), self.bias.to(x.dtype)
        with torch.autocast(x.device.type, enabled=False):
            rows = F.layer_norm(x.permute(0, 2, 3, 1), self.normalized_shape, weight, bias, self.eps)
        return rows.permute(0, 3, 1, 2)


class MetaEncoder(BaseModule):
    """The velocity network `v(Z, t)` of the flow, (B, C, H, W) -> (B, C, H, W) for any H and W, or (B, C) -> (B, C).

    The time embedding is added to the state before the layers (arXiv:2402.02012, section 3). The last layer starts at
    zero: before the first optimisation step the velocity is zero everywhere, the flow is the identity, and a detector
    that reads its output equals the plain student. `zero_init=False` leaves it as PyTorch starts it, to measure what
    that is worth.

    A meta-encoder of one's own is a subclass with `build_layers`, registered in MMRazor's `MODELS`.

    Args:
        channels: C, an even number of at least 2.
        zero_init: start as the identity.

    Raises:
        ValueError: if `channels` is odd or less than 2.
    """

    def __init__(self, channels: int, zero_init: bool = True) -> None:
        if not isinstance(channels, int) or channels < 2 or channels % 2:
            raise ValueError(
                f'`channels` of {type(self).__name__} must be an even number of at least 2, but got {channels!r}; '
                'set it to the channels of the features that the flow transports'
            )
        super().__init__()
        self.channels, self.zero_init = channels, zero_init
        self.time_embedding = TimeEmbedding(channels)
        self.layers = self.build_layers(channels)
        if not isinstance(self.layers, nn.Sequential) or not list(self.layers[-1].parameters()):
            raise ValueError(
                f'`build_layers` of {type(self).__name__} must return an nn.Sequential that ends with a layer '
                f'with parameters, which is set to zero, but got {self.layers}'
            )
        self.start()

    def build_layers(self, channels: int) -> nn.Sequential:
        """The network itself; its last module is a convolution, which the constructor sets to zero by default."""
        raise NotImplementedError

    def start(self) -> None:
        for parameter in self.layers[-1].parameters() if self.zero_init else ():
            nn.init.zeros_(parameter)

    def reset(self) -> None:
        """Start anew, with other random numbers."""
        for module in self.modules():
            if hasattr(module, 'reset_parameters'):
                module.reset_parameters()
        self.start()

    def forward(self, state: Tensor, t: float) -> Tensor:
        if state.shape[1] != self.channels:
            raise ValueError(
                f'`channels` of {type(self).__name__} must be those of the features that the flow '
                f'transports, {state.shape[1]}, but got {self.channels}'
            )
        if state.dim() == 2:  # a vector is a map of one pixel
            return self.forward(state[:, :, None, None], t).flatten(1)
        return self.layers(self.lowered(state + self.time_embedding(t)))

    @staticmethod
    def lowered(x: Tensor) -> Tensor:
        """What the layers read, in the precision in which they compute: only that is kept for the backward pass."""
        device = x.device.type
        return x.to(torch.get_autocast_dtype(device)) if torch.is_autocast_enabled(device) else x
