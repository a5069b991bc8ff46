"""What is drawn of a feature: how much each location stands out, and how far it is from the teacher's.

Every feature is standardised first, as PKD does it (arXiv:2207.02039): each channel has mean 0 and standard deviation
1 over the images of a batch and all locations. PKD leaves the scale of a channel free, so that without this the
difference between a flow that has learned from it and its teacher would say nothing. With it, levels, detectors and
methods share one scale.
"""

import torch
from torch import Tensor

from mmfmkt.models.metrics.pkd import EPS


def standardised(feature: Tensor) -> Tensor:
    """A feature (B, C, H, W) with mean 0 and standard deviation 1 in every channel, in float32 at least."""
    feature = feature.to(torch.promote_types(feature.dtype, torch.float32))
    centred = feature - feature.mean((0, 2, 3), keepdim=True)
    return centred / (centred.square().mean((0, 2, 3), keepdim=True).sqrt() + EPS)


def prominence(feature: Tensor) -> Tensor:
    """How much each location stands out, (B, H, W): the root mean square over the channels of a standardised feature.

    The mean of its square over all images and locations is 1.
    """
    return feature.square().mean(1).sqrt()


def error_map(feature: Tensor, target: Tensor) -> Tensor:
    r"""The distance of two standardised features (B, C, H, W) at each location, (B, H, W).

    .. math:: e = \frac 1 {2C} \sum_c (x_c - y_c)^2

    The mean of it over all images and locations is PKD's distance, 1 minus the correlation of the two: 0 if they are
    the same, 1 if they have nothing in common. It is NaN for the only location of an only image, its own mean.
    """
    error = (feature - target).square().mean(1) / 2
    return error if error.numel() > 1 else torch.full_like(error, torch.nan)
