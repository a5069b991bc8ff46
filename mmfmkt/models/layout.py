"""Memory layouts of feature maps."""
import torch
from torch import Tensor


def layout_of(feature: Tensor) -> torch.memory_format:
    """Channels-last for a map (B, C, H, W) that is dense in that layout alone, the default for everything else."""
    nhwc = (feature.dim() == 4 and feature.is_contiguous(memory_format=torch.channels_last)
            and not feature.is_contiguous())
    return torch.channels_last if nhwc else torch.contiguous_format


def channels_last(feature: Tensor) -> Tensor:
    """A map (B, C, H, W) in channels-last, in which convolutions and norms over channels are fastest; vectors as they are."""
    return feature.contiguous(memory_format=torch.channels_last) if feature.dim() == 4 else feature
