"""The teacher's backbone and neck, prepared to run fast, since nothing in them is trained."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from mmcv.cnn import fuse_conv_bn
from mmengine.logging import print_log
from torch import Tensor, nn

from mmfmkt.common.memory_layout import channels_last
from mmfmkt.common.precision import check_precision

TOLERANCE = 0.05  # bfloat16 is off by 1 %, an operator that reads another layout by all
# of torch.compile; a CUDA graph of the neck would free what that of the backbone has made, before it is read
MODES = ('default', 'max-autotune-no-cudagraphs')


@dataclass(frozen=True)
class TeacherInference:
    """How the teacher runs.

    Args:
        precision: 'auto' is bfloat16 where the device computes it, or the precision of the training where that is
            mixed; 'float32', 'bfloat16' and 'float16' are what they say; None is that of the training.
        channels_last: in the memory layout in which convolutions are fastest.
        fold_bn: BatchNorms become a part of the convolutions before them.
        compile: a mode of `torch.compile` without CUDA graphs: 'default' or 'max-autotune-no-cudagraphs'; compiling
            takes minutes, and again for images of other sizes.
        side_stream: run beside the student's forward pass on a GPU, in a stream of its own.
        cache: folder in which features are kept, for data whose augmentations repeat themselves; see
            :class:`FeatureCache`.
        cache_gb: how large it may become for a teacher, by all processes together.

    Raises:
        ValueError: if `precision` or `compile` is none, or if `cache_gb` is negative.
    """

    precision: str | None = 'auto'
    channels_last: bool = True
    fold_bn: bool = True
    compile: str | None = None
    side_stream: bool = False
    cache: str | None = None
    cache_gb: float = 20.0

    def __post_init__(self) -> None:
        check_precision(self.precision, 'teacher_inference.precision')
        if self.compile is not None and self.compile not in MODES:
            raise ValueError(
                '`teacher_inference.compile` must be a mode of torch.compile without CUDA graphs, which would free '
                f'features before they are read: {", ".join(MODES)}, or None, but got {self.compile!r}'
            )
        if self.cache_gb < 0:
            raise ValueError(f'`teacher_inference.cache_gb` must be at least 0, but got {self.cache_gb!r}')

    def choices(self) -> Iterator[TeacherInference]:
        """These options, and those that take their place if the features come out wrong.

        Norms may share a convolution, and operators of other libraries may not know every precision or memory layout.
        """
        unfolded, in_float32 = replace(self, fold_bn=False), replace(self, precision='float32')
        unchanged = replace(in_float32, channels_last=False, fold_bn=False, compile=None)
        yield from dict.fromkeys([self, unfolded, in_float32, unchanged])


def try_preparing(
    parts: Sequence[nn.Module], options: TeacherInference, dtype: torch.dtype | None, difference: Callable[[], float]
) -> bool:
    """Prepare modules, and change them back if the features then differ; returns whether they stay prepared.

    A line in the log says so.

    Args:
        parts: backbone and neck.
        options: how they are prepared.
        dtype: what they compute in; None for that of the training.
        difference: runs them and says how far the features are from those before, see :func:`difference`.
    """
    undo = way_back(parts)
    try:
        prepare(parts, options, dtype)
        off = difference()
        reason = '' if off < TOLERANCE else f'its features would differ by {off:.1%}'
    except Exception as error:  # an operator that does not know the precision, or a failed compilation
        reason = f'{type(error).__name__}: {error}'
    if reason:
        undo()
        print_log(f'the teacher does not run {describe(options, dtype)}: {reason}', 'current', logging.WARNING)
        return False
    print_log(
        f'the teacher runs {describe(options, dtype)}; its features differ by {off:.2%} from those of the teacher as '
        'it was',
        'current',
    )
    return True


def describe(options: TeacherInference, dtype: torch.dtype | None) -> str:
    """How it runs, for the log."""
    precision = str(dtype).removeprefix('torch.') if dtype else 'the precision of its weights'
    parts = {
        'channels-last': options.channels_last,
        'with BatchNorm folded': options.fold_bn,
        f'compiled ({options.compile})': options.compile,
        'in a stream of its own': options.side_stream,
    }
    return ', '.join([f'in {precision}', *(name for name, used in parts.items() if used)])


def prepare(parts: Sequence[nn.Module], options: TeacherInference, dtype: torch.dtype | None) -> None:
    """Change modules for inference in `dtype`, None for the one they have."""
    for part in parts:
        if options.fold_bn:
            give_scales(part)
            fuse_conv_bn(part).eval()  # what it puts in the place of a norm is in training mode
        for module in part.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                prepare_weights(module, options, dtype)
        if options.compile:
            part.forward = torch.compile(part.forward, mode=options.compile)


def give_scales(part: nn.Module) -> None:
    """Give norms without a learned scale the one that they have, 1, because MMCV's folding reads it."""
    for norm in part.modules():
        if isinstance(norm, nn.modules.batchnorm._BatchNorm) and norm.running_var is not None and norm.weight is None:
            norm.weight = nn.Parameter(torch.ones_like(norm.running_var), requires_grad=False)
            norm.bias = nn.Parameter(torch.zeros_like(norm.running_var), requires_grad=False)


def way_back(parts: Sequence[nn.Module]) -> Callable[[], None]:
    """What makes modules again what they are now."""
    before = [(module, dict(module._modules), dict(module._parameters)) for part in parts for module in part.modules()]

    def undo() -> None:
        for part in parts:
            part.__dict__.pop('forward', None)
        for module, children, parameters in before:
            module._modules.update(children)
            module._parameters.update(parameters)

    return undo


def prepare_weights(module: nn.Conv2d | nn.Linear, options: TeacherInference, dtype: torch.dtype | None) -> None:
    """Keep weights in the precision and layout in which they are used, so that no iteration converts them."""
    for name, value in module.named_parameters(recurse=False):
        kept = value.detach().to(dtype or value.dtype)
        kept = channels_last(kept) if options.channels_last else kept
        setattr(module, name, nn.Parameter(kept, requires_grad=False))


def difference(features: Sequence[Tensor], expected: Sequence[Tensor]) -> float:
    """The norm of the difference to what features should be over that of the feature, at the worst level.

    It is NaN if a feature is.
    """
    shares = [(feature - other).norm() / other.norm().clamp(min=1e-30) for feature, other in zip(features, expected)]
    return torch.stack(shares).max().item()
