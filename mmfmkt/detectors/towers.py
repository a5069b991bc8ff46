"""The towers of a dense head: the convolutions between a level of the pyramid and the two predictions."""

from typing import Any

from torch import nn

TOWERS = ('cls_convs', 'reg_convs')


def last_layers(head: nn.Module, tower: str) -> list[nn.Module]:
    """The last layer of a tower, or those of the towers of all levels where each has its own (RTMDet, RetinaSepBN)."""
    layers = getattr(head, tower, None)
    if not isinstance(layers, nn.ModuleList) or not len(layers):
        return []
    of_levels = [layer for layer in layers if isinstance(layer, nn.ModuleList)]
    return [of_level[-1] for of_level in (of_levels if len(of_levels) == len(layers) else [layers]) if len(of_level)]


def widths(head: nn.Module, tower: str) -> list[int]:
    """The channels that the last layers of a tower read, in their order: one number where those of all levels agree."""
    convolutions: list[Any] = [
        next((part for part in layer.modules() if hasattr(part, 'in_channels')), None)
        for layer in last_layers(head, tower)
    ]
    return sorted({convolution.in_channels for convolution in convolutions if convolution is not None})
