"""Knowledge diffusion: the student's features are denoised by a model of the teacher's before they are compared."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from mmrazor.registry import MODELS
from torch import Tensor, nn

from mmfmkt.models.meta_encoders.base import ChannelNorm, TimeEmbedding

TRAINING_STEPS = 1000  # of the diffusion, whose variances grow in a line from 1e-4 to 0.02 (arXiv:2006.11239)


@MODELS.register_module()
class DiffKDMetric(nn.Module):
    r"""DiffKD (arXiv:2305.15712) between two maps, `F^S` and `F^T`.

    .. math::
        L = \|\hat Z^S - Z^T\|^2 + \lambda_d \|\epsilon_t - \phi(\sqrt{\bar\alpha_t} Z^T + \sqrt{1 - \bar\alpha_t}
        \epsilon_t, t)\|^2 + \lambda_a \|D(Z^T) - F^T\|^2

    The norms are means over all elements. `Z^T = E(F^T)`, with `E` and `D` a linear autoencoder (1x1 convolutions) that
    its own term alone trains; in every channel `Z^T` has mean 0 and variance 1 over the batch, like the noise. `phi` is
    a small network that predicts the noise of the teacher's latent features. The student's, projected and mixed with
    noise, `gamma Z^S + (1 - gamma) epsilon` with `gamma` in (0, 1) predicted from them, are taken for the teacher's at
    the noise level `start`, and denoised to `Z-hat^S` in `num_steps` steps of DDIM (arXiv:2010.02502).

    Differs from the authors' code: `phi` normalises the channels of a location and not the batch, and not its output;
    the embedding of its time is no table; the steps from `start` to 0 are equal; no 1x1 convolution follows the
    denoising; and a batch has one noise level t instead of one an image. As there, the first term trains `phi` too.

    Args:
        teacher_channels: C, those of both maps.
        latent_channels: of `Z`, an even number; half of C by default.
        num_steps: steps of denoising, at least 1.
        start: the noise level that the student's features are taken for, 1 to 1000.
        diffusion_weight: lambda_d.
        autoencoder_weight: lambda_a.

    Raises:
        ValueError: if a number is out of its range.
    """

    def __init__(
        self,
        teacher_channels: int,
        latent_channels: int | None = None,
        num_steps: int = 5,
        start: int = 400,
        diffusion_weight: float = 1.0,
        autoencoder_weight: float = 1.0,
    ) -> None:
        super().__init__()
        latent = 2 * max(teacher_channels // 4, 1) if latent_channels is None else latent_channels
        negative = min(diffusion_weight, autoencoder_weight) < 0
        if latent < 2 or latent % 2 or not 1 <= num_steps <= start <= TRAINING_STEPS or negative:
            raise ValueError(
                '`latent_channels` of DiffKD must be even and at least 2, 1 <= `num_steps` <= `start` <= '
                f'{TRAINING_STEPS}, and the weights at least 0, but got {latent}, {num_steps}, {start}, '
                f'{diffusion_weight} and {autoencoder_weight}'
            )
        self.times = [start * step // num_steps for step in range(num_steps, -1, -1)]
        self.diffusion_weight, self.autoencoder_weight = diffusion_weight, autoencoder_weight
        self.encode, self.decode = nn.Conv2d(teacher_channels, latent, 1), nn.Conv2d(latent, teacher_channels, 1)
        self.project, self.gamma, self.noise_of = (
            nn.Conv2d(teacher_channels, latent, 1),
            Gamma(latent),
            Denoiser(latent),
        )

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """Maps (B, C, H, W) of student and teacher -> scalar."""
        code = standardise(self.encode(teacher))
        latent = code.detach()
        return (
            F.mse_loss(self.denoise(self.project(student)), latent)
            + self.diffusion_weight * self.diffusion_loss(latent)
            + self.autoencoder_weight * F.mse_loss(self.decode(code), teacher)
        )

    def diffusion_loss(self, latent: Tensor) -> Tensor:
        """The error of the predicted noise, at one random level for all images (B, C, H, W)."""
        time, noise = int(torch.randint(1, TRAINING_STEPS + 1, ())), torch.randn_like(latent)
        signal = SIGNAL[time]
        return F.mse_loss(self.noise_of(signal**0.5 * latent + (1 - signal) ** 0.5 * noise, time), noise)

    def denoise(self, latent: Tensor) -> Tensor:
        """The student's latent features (B, C, H, W) without what a teacher's would not have."""
        gamma = self.gamma(latent)
        return ddim(self.noise_of, gamma * latent + (1 - gamma) * torch.randn_like(latent), self.times)


def standardise(feature: Tensor) -> Tensor:
    """A feature (B, C, H, W) with mean 0 and variance 1 in every channel."""
    mean = feature.mean((0, 2, 3), keepdim=True)
    variance = (feature - mean).square().mean((0, 2, 3), keepdim=True)
    return (feature - mean) / (variance + 1e-5).sqrt()


def signal_shares() -> list[float]:
    r""":math:`\bar\alpha_t` for t = 0 ... 1000: how much of the variance at time t is the feature's."""
    variances = torch.linspace(1e-4, 0.02, TRAINING_STEPS, dtype=torch.float64)
    return [1.0, *(1 - variances).cumprod(0).tolist()]


SIGNAL = signal_shares()


def ddim(noise_of: Callable[[Tensor, int], Tensor], state: Tensor, times: Sequence[int]) -> Tensor:
    """Denoise a state without randomness (arXiv:2010.02502, equation 12 with sigma = 0), over falling times."""
    for time, following in zip(times, times[1:]):
        noise = noise_of(state, time)
        clean = (state - (1 - SIGNAL[time]) ** 0.5 * noise) / SIGNAL[time] ** 0.5
        state = SIGNAL[following] ** 0.5 * clean + (1 - SIGNAL[following]) ** 0.5 * noise
    return state


class Bottleneck(nn.Module):
    """A residual block (B, C, H, W) -> (B, C, H, W) of a quarter of the width, as in a ResNet."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        narrow = max(channels // 4, 2)
        self.layers = nn.Sequential(
            nn.Conv2d(channels, narrow, 1),
            ChannelNorm(narrow),
            nn.ReLU(),
            nn.Conv2d(narrow, narrow, 3, padding=1),
            ChannelNorm(narrow),
            nn.ReLU(),
            nn.Conv2d(narrow, channels, 1),
        )

    def forward(self, feature: Tensor) -> Tensor:
        return feature + self.layers(feature)


class Gamma(nn.Module):
    """How much of the student's feature (B, C, H, W) is left when noise is mixed in: (B, 1, 1, 1), in (0, 1)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            Bottleneck(channels), nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, 1, 1), nn.Sigmoid()
        )

    def forward(self, feature: Tensor) -> Tensor:
        return self.layers(feature)


class Denoiser(nn.Module):
    """`phi`: the noise (B, C, H, W) in a state (B, C, H, W) at a time."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.time_embedding = TimeEmbedding(channels)
        self.layers = nn.Sequential(Bottleneck(channels), Bottleneck(channels), nn.Conv2d(channels, channels, 1))

    def forward(self, state: Tensor, time: int) -> Tensor:
        return self.layers(state + self.time_embedding(time / TRAINING_STEPS))
