"""Focal and global knowledge distillation."""

from collections.abc import Sequence

import torch
from mmrazor.registry import MODELS
from torch import Tensor, nn

from mmfmkt.models.meta_encoders.base import ChannelNorm


@MODELS.register_module()
class FGDMetric(nn.Module):
    r"""The four terms of FGD (arXiv:2111.11837) between two maps, `F^S` and `F^T`.

    .. math::
        L = \frac 1 B \Big[ \sum_{k,i,j} (\alpha P_{ij} + \beta N_{ij}) A^S_{ij} A^C_k (F^T_{kij} - F^S_{kij})^2
        + \gamma (\|A^S_t - A^S_s\|_1 + \|A^C_t - A^C_s\|_1) + \lambda \sum (R(F^T) - R(F^S))^2 \Big]

    `P` is 1 over the number of locations of the smallest box around a location, and 0 in the background; `N` is 1 over
    the number of locations of the background, and 0 in boxes (equations 4 and 5). The attentions over locations and
    over channels (6 to 9) are `A^S = H W softmax(mean_k |F| / T)` and `A^C = C softmax(mean_{ij} |F| / T)`, the
    teacher's where they weigh. `R` is a global context block (13), one for each side. Attention and relations are sums
    over locations, so that they grow with the image; the default weights are the paper's for one-stage detectors with
    anchors.

    Differs from the authors' code: there a box covers the cells from the floor of its beginning to the ceiling of its
    end, the last one too, and `w` of the context block starts with Kaiming's initial values. Their T is 0.8 for FCOS.

    Args:
        teacher_channels: C, those of both maps.
        alpha, beta, gamma, lambda_: weights of foreground, background, attention and relations, at least 0.
        temperature: T, above 0.

    Raises:
        ValueError: if the temperature is not above 0, or if a weight is negative.
    """

    reads = ('boxes',)

    def __init__(
        self,
        teacher_channels: int,
        alpha: float = 1e-3,
        beta: float = 5e-4,
        gamma: float = 1e-3,
        lambda_: float = 5e-6,
        temperature: float = 0.5,
    ) -> None:
        super().__init__()
        if temperature <= 0:
            raise ValueError(f'`temperature` of FGD must be above 0, but got {temperature}')
        if min(alpha, beta, gamma, lambda_) < 0:
            raise ValueError(
                '`alpha`, `beta`, `gamma` and `lambda_` of FGD must be at least 0, but got '
                f'{alpha}, {beta}, {gamma} and {lambda_}'
            )
        self.alpha, self.beta, self.gamma, self.lambda_, self.temperature = alpha, beta, gamma, lambda_, temperature
        self.student_context, self.teacher_context = GlobalContext(teacher_channels), GlobalContext(teacher_channels)

    def forward(self, student: Tensor, teacher: Tensor, boxes: Sequence[Tensor]) -> Tensor:
        """Maps (B, C, H, W) and, for each image, boxes (n, 4) as x1, y1, x2, y2 in [0, 1] -> scalar."""
        height, width = teacher.shape[2:]
        weights = [focal_weights(of_image, height, width, self.alpha, self.beta) for of_image in boxes]
        weight = torch.stack(weights)[:, None]
        of_student, of_teacher = (attentions(feature, self.temperature) for feature in (student, teacher))
        focal = (weight * of_teacher[0] * of_teacher[1] * (teacher - student).square()).sum()
        attention = sum((own - other).abs().sum() for own, other in zip(of_student, of_teacher))
        relation = (self.teacher_context(teacher) - self.student_context(student)).square().sum()
        return (focal + self.gamma * attention + self.lambda_ * relation) / len(teacher)


class GlobalContext(nn.Module):
    """`R(F) = F + W_2 ReLU(LN(W_1 sum_j softmax_j(w F_j) F_j))` (arXiv:2111.11837, equation 13).

    It starts as the identity.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = max(channels // 2, 1)
        self.mask = nn.Conv2d(channels, 1, 1)
        self.add = nn.Sequential(
            nn.Conv2d(channels, hidden, 1), ChannelNorm(hidden), nn.ReLU(), nn.Conv2d(hidden, channels, 1)
        )
        for parameter in self.add[-1].parameters():
            nn.init.zeros_(parameter)

    def forward(self, feature: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)"""
        weights = self.mask(feature).flatten(2).softmax(2)
        context = feature.flatten(2) @ weights.transpose(1, 2)
        return feature + self.add(context[..., None])


def attentions(feature: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """`A^S` (B, 1, H, W) and `A^C` (B, C, 1, 1) of a map (B, C, H, W); each has a mean of 1."""
    size, (channels, height, width) = feature.abs(), feature.shape[1:]
    spatial = (size.mean(1, keepdim=True) / temperature).flatten(2).softmax(2).unflatten(2, (height, width))
    return height * width * spatial, channels * (size.mean((2, 3), keepdim=True) / temperature).softmax(1)


def focal_weights(boxes: Tensor, height: int, width: int, alpha: float, beta: float) -> Tensor:
    """`alpha P + beta N` (height, width) of an image's boxes (n, 4), in [0, 1]."""
    foreground = boxes.new_zeros(height, width)
    for some in boxes.split(64) if len(boxes) else ():  # a map for each box of an image has no room for thousands
        across, down = (covered(some[:, axis::2], size) for axis, size in ((0, width), (1, height)))
        inside = down[:, :, None] & across[:, None]
        density = inside / inside.sum((1, 2), keepdim=True).clamp(min=1)
        foreground = torch.maximum(foreground, density.amax(0))
    background = foreground == 0
    return alpha * foreground + beta * background / background.sum().clamp(min=1)


def covered(intervals: Tensor, size: int) -> Tensor:
    """Which of `size` cells each interval (n, 2) in [0, 1] touches: (n, size)."""
    cells = torch.arange(size, device=intervals.device)
    begin, end = (intervals * size).unbind(1)
    return (cells >= begin.floor()[:, None]) & (cells < end.ceil()[:, None])
