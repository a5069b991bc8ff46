"""PKD with the statistics of the whole batch."""
from typing import Any

import torch
from mmengine.dist import all_reduce, get_world_size
from mmrazor.models.losses import PKDLoss
from mmrazor.registry import MODELS
from torch import Tensor

EPS = 1e-6  # MMRazor's


@MODELS.register_module()
class SyncPKDLoss(PKDLoss):
    r"""PKD (arXiv:2207.02039), 1 minus the correlation of two features in each channel, summed as in MMRazor's `PKDLoss`.

    .. math:: \frac 1 2 \mathrm{mean} (\frac{x - \mu_x}{\sigma_x + \epsilon} - \frac{y - \mu_y}{\sigma_y + \epsilon})^2

    Means and standard deviations are those of a channel over all images, as in the paper. In training they are taken over
    the images of all processes, so that several processes compute what one would on the joined batch. MMRazor's takes
    each process for itself, and is NaN where a channel has a single location; here that loss is 0. In one process the
    two agree to the last digit otherwise.

    Args:
        loss_weight: a factor.
        resize_stu: resize the student's feature if the two differ in height, else the teacher's.
    """

    def norm(self, feat: Tensor) -> Tensor:
        """Features (B, C, H, W) with mean 0 and variance 1 in every channel."""
        rows = feat.transpose(0, 1).flatten(1)
        mean, std = joined_statistics(rows) if self.training and get_world_size() > 1 else statistics(rows)
        rows = (rows - mean) / (std + EPS)
        return rows.unflatten(1, (feat.shape[0], *feat.shape[2:])).transpose(0, 1)


def statistics(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (C, 1) of the rows (C, n); a single entry deviates by 0."""
    mean = rows.mean(1, keepdim=True)
    return mean, rows.std(1, keepdim=True) if rows.shape[1] > 1 else torch.zeros_like(mean)


def joined_statistics(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Those of the rows of all processes (C, n_r), with gradients. Every process must call it."""
    count = rows.new_tensor([rows.shape[1]])
    total = SumOverProcesses.apply(torch.cat([rows.sum(1), count]))
    count, mean = total[-1].detach(), (total[:-1] / total[-1].detach())[:, None]
    squares = SumOverProcesses.apply((rows - mean).square().sum(1, keepdim=True))
    variance = squares / (count - 1).clamp(min=1)
    return mean, variance.clamp(min=EPS**4).sqrt()  # the root has no gradient at 0


class SumOverProcesses(torch.autograd.Function):
    """The sum of a tensor over all processes; its gradient is the sum of theirs. PyTorch has deprecated its own."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:
        total = tensor.clone()
        all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        total = gradient.clone()
        all_reduce(total)
        return total
