"""What the teacher sees: the student's batch, as the teacher's own preprocessor would have made it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil

import torch
import torch.nn.functional as F
from mmdet.structures import DetDataSample
from torch import Tensor, nn

SIZE = (64, 96)  # height and width of the image with which the preprocessors are compared


class TeacherInputs(nn.Module):
    """Turns images that are normalised for the student into images that are normalised and padded for the teacher.

    With `x = (image - mean) / std` of either, `x_T = x_S std_S / std_T + (mean_S - mean_T) / std_T`, channels swapped
    before if one reads BGR and the other RGB. Pixels outside of an image become the teacher's padding, and the batch is
    padded to the teacher's divisor. Where the two agree, the batch is passed on as it is.

    Args:
        student: data preprocessor of the student; one without statistics leaves pixels as they are.
        teacher: data preprocessor of the teacher.
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, student: nn.Module, teacher: nn.Module) -> None:
        super().__init__()
        self.swaps = getattr(student, '_channel_conversion', False) != getattr(teacher, '_channel_conversion', False)
        mean, std = (
            torch.stack(torch.broadcast_tensors(*values)) for values in zip(statistics(student), statistics(teacher))
        )
        if self.swaps:
            mean[0], std[0] = mean[0].flip(0), std[0].flip(0)
        self.register_buffer('scale', (std[0] / std[1])[:, None, None])
        self.register_buffer('shift', ((mean[0] - mean[1]) / std[1])[:, None, None])
        self.pad_value = getattr(teacher, 'pad_value', 0)
        self.divisor = getattr(teacher, 'pad_size_divisor', 1)
        self.agree = bool(
            not self.swaps
            and (self.scale == 1).all()
            and (self.shift == 0).all()
            and self.pad_value == getattr(student, 'pad_value', 0)
        )

    def check(self, student: nn.Module, teacher: nn.Module, channels: int) -> None:
        """Raise a ValueError if the images that are made here are not those which the teacher's preprocessor makes.

        Args:
            student: data preprocessor of the student.
            teacher: data preprocessor of the teacher.
            channels: of an image.
        """
        image = torch.randint(256, (channels, *SIZE), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
        images, expected = (preprocessed(image, preprocessor) for preprocessor in (student, teacher))
        found, expected = (each[..., : SIZE[0], : SIZE[1]] for each in (self(images), expected))
        if found.shape != expected.shape or not torch.allclose(found, expected, rtol=1e-3, atol=1e-2):
            kinds = ' and '.join(sorted({type(student).__name__, type(teacher).__name__}))
            raise ValueError(
                'the data preprocessors of student and teacher must only normalise, exchange red and blue, and pad, so '
                f"that the student's images can be made the teacher's; {kinds} do something else: the pixels of a "
                f'random image are {describe(expected)} for the teacher, and {describe(found)} if they are made of the '
                "student's; do that in the pipeline, or give both a DetDataPreprocessor"
            )

    @property
    def settings(self) -> tuple:
        """What it does, besides the numbers in its buffers."""
        return self.swaps, self.pad_value, self.divisor

    def forward(self, images: Tensor, data_samples: list | None = None) -> Tensor:
        """Images (B, 3, H, W) for the student -> (B, 3, H', W') for the teacher, H' >= H and W' >= W."""
        if not self.agree:
            images = (images.flip(1) if self.swaps else images) * self.scale + self.shift
            for image, sample in zip(images, data_samples or []):
                height, width = sample.get('img_shape', image.shape[1:])[:2]
                image[:, height:], image[:, :, width:] = self.pad_value, self.pad_value
        bottom, right = (-length % self.divisor for length in images.shape[2:])
        return F.pad(images, (0, right, 0, bottom), value=self.pad_value) if bottom or right else images


def preprocessed(image: Tensor, preprocessor: nn.Module) -> Tensor:
    """The batch (1, C, H', W') that a preprocessor makes of one image (C, H, W) at inference."""
    sample = DetDataSample(metainfo=dict(img_shape=SIZE, ori_shape=SIZE, scale_factor=(1.0, 1.0)))
    inputs = preprocessor(dict(inputs=[image.clone()], data_samples=[sample]), False)['inputs']
    return (inputs if isinstance(inputs, Tensor) else torch.stack(list(inputs))).float()


def describe(images: Tensor) -> str:
    """The range of the pixels of images, and their size."""
    return f'from {images.min():.3g} to {images.max():.3g} {tuple(images.shape)}'


def statistics(preprocessor: nn.Module) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each channel, or one for all of them, float32."""
    if not getattr(preprocessor, '_enable_normalize', False):
        return torch.zeros(1), torch.ones(1)
    mean, std = (preprocessor.get_buffer(name).flatten().float().cpu() for name in ('mean', 'std'))
    return mean, std


class FitToStudent:
    """Leaves of the teacher's pyramid what belongs to the student's images: a forward hook of neck or backbone.

    What lies on the padding of :class:`TeacherInputs` is cut off. Features are left in the precision of the training
    and in the default memory layout, whatever the teacher computes in.
    """

    def __init__(self) -> None:
        self.sizes: tuple[torch.Size, torch.Size] | None = None  # of the images of student and teacher, H and W
        self.dtype: torch.dtype | None = None

    @contextmanager
    def fitting(self, images: Tensor, of_teacher: Tensor) -> Iterator[None]:
        """While the teacher runs on `of_teacher` (B, 3, H', W') for the student's `images` (B, 3, H, W)."""
        self.sizes = images.shape[2:], of_teacher.shape[2:]
        self.dtype = None if torch.is_autocast_enabled(images.device.type) else images.dtype
        try:
            yield
        finally:
            self.sizes = None

    def __call__(self, module: nn.Module, args: tuple, features: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
        if self.sizes is None:
            return None  # the teacher runs for itself
        (height, width), (padded_height, padded_width) = self.sizes
        return tuple(
            feature[
                :, :, : ceil(feature.shape[2] * height / padded_height), : ceil(feature.shape[3] * width / padded_width)
            ].to(self.dtype or feature.dtype, memory_format=torch.contiguous_format)
            for feature in features
        )
