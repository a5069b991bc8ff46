"""Memory layouts of feature maps and of the gradients of weights."""

import torch
from torch import Tensor, nn


def layout_of(feature: Tensor) -> torch.memory_format:
    """Channels-last for a map (B, C, H, W) that is dense in that layout alone, the default for everything else."""
    nhwc = (
        feature.dim() == 4 and feature.is_contiguous(memory_format=torch.channels_last) and not feature.is_contiguous()
    )
    return torch.channels_last if nhwc else torch.contiguous_format


def channels_last(feature: Tensor) -> Tensor:
    """A map (B, C, H, W) in channels-last, where convolutions and norms of channels are fastest; else as it is."""
    return feature.contiguous(memory_format=torch.channels_last) if feature.dim() == 4 else feature


def keep_strides_of_gradients(module: nn.Module) -> None:
    """Let the gradients of a module's weights have the strides of the weights.

    A weight whose map is 1x1, or that has one input channel, is dense in both layouts: the strides differ, the memory
    is the same. After a channels-last feature its gradient has the other strides, and `DistributedDataParallel`,
    which compares them, warns and copies it more slowly.
    """
    for weight in module.parameters():
        if (
            weight.requires_grad
            and weight.dim() == 4
            and weight.is_contiguous()
            and weight.is_contiguous(memory_format=torch.channels_last)
        ):
            weight.register_hook(with_default_strides)


def with_default_strides(gradient: Tensor) -> Tensor:
    return gradient.reshape(-1).view(gradient.shape)
