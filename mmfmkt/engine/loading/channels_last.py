"""Images in the memory layout in which convolutions are fastest."""

from collections.abc import Sequence

from mmdet.registry import MODELS
from torch import Tensor, nn

from mmfmkt.common.memory_layout import channels_last


@MODELS.register_module()
class ChannelsLast(nn.Module):
    """One of the `batch_augments` of a data preprocessor: every feature map after it is channels-last too.

    The values do not change. It is for convolutional detectors in mixed precision, and on CPUs.
    """

    def forward(self, inputs: Tensor, data_samples: Sequence) -> tuple[Tensor, Sequence]:
        """Images (B, 3, H, W) and their data samples."""
        return channels_last(inputs), data_samples
