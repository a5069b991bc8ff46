"""A weight for a loss whose scale nobody knows: from the size of its gradient."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.dist import all_reduce
from mmengine.logging import MessageHub
from mmengine.model import BaseModel
from mmrazor.models.distillers import ConfigurableDistiller
from torch import Tensor, nn

from mmfmkt.detectors.pyramid import find_source
from mmfmkt.models.flows.flow_neck import FlowNeck
from mmfmkt.models.losses.loss_dicts import scaled, total
from mmfmkt.models.losses.targets import OwnOutput

SCALE = 2.0**12  # gradients in float16 may be too small for it; it cancels out


class GradientBalance(nn.Module):
    r"""Weighs losses so that their gradient is a fixed multiple of that of the detector's own losses.

    With `X` the pyramid that the student's neck returns, before a flow, and `r` the ratio,

    .. math:: w = r \, \frac{\|\partial L_{\mathrm{detector}} / \partial X\|_2}{\|\partial L / \partial X\|_2}

    Both norms are over all levels and images, and means over all processes. They are measured in every `interval`-th
    iteration, which costs two passes back through what stands behind the neck; where teachers take turns, each is
    measured then. In between the weight stays. The first measurement is taken as it is. A new one moves the logarithm
    of the weight by `MOMENTUM` of the way, and counts as at most `MOST` times as large or small as the weight, so that
    a single batch, as one without objects, moves it by no more than 15 %.

    Args:
        losses: names of the losses of the distiller that are weighed, with one factor for all.
        ratio: r, above 0; weights of methods that were set by hand make 8 to 28 of it on the demo.
        interval: iterations from one measurement to the next, at least 1.

    Attributes:
        weight: w, a scalar; 0 before the first measurement.
        watching: whether features are kept to be measured.
        turns: how many teachers take turns; 1 if all have every iteration.

    Raises:
        ValueError: if there is no loss, if `ratio` is not above 0, or if `interval` is less than 1.
    """

    MOMENTUM, MOST = 0.2, 2.0
    weight: Tensor

    def __init__(self, losses: Sequence[str], ratio: float = 10.0, interval: int = 20) -> None:
        super().__init__()
        numbers = isinstance(ratio, (int, float)) and isinstance(interval, int)
        if not losses or not numbers or not ratio > 0 or interval < 1:
            raise ValueError(
                '`balance` must have the names of `losses`, a `ratio` above 0 and an `interval` of at least 1, but got '
                f'losses={list(losses)}, ratio={ratio!r} and interval={interval!r}'
            )
        self.losses, self.ratio, self.interval = tuple(losses), ratio, interval
        self.register_buffer('weight', torch.zeros(()))
        self.features: list[Tensor] = []
        self.watching, self.turns = True, 1

    def watch(self, student: BaseModel) -> None:
        """See the features that a student's neck returns."""
        source = student.get_submodule(find_source(student))
        (source.neck if isinstance(source, FlowNeck) else source).register_forward_hook(self.keep)

    def keep(self, module: nn.Module, args: Any, pyramid: Tensor | Sequence[Tensor]) -> None:
        if module.training and self.watching and self.is_due():
            self.features = [pyramid] if isinstance(pyramid, Tensor) else list(pyramid)

    def is_due(self) -> bool:
        """Is this an iteration that measures? Without a runner each is."""
        return MessageHub.get_current_instance().get_info('iter', 0) // self.turns % self.interval == 0

    def measure(self, of_detector: dict, of_distiller: dict) -> None:
        """In an iteration that measures, set the weight.

        Args:
            of_detector: the detector's losses, name -> loss.
            of_distiller: those of the distiller; the weighed ones among them are of the teacher whose turn it is.

        Raises:
            ValueError: if the neck is not trained, or if no loss is weighed that reads the features.
        """
        weighed, features = self.weighed(of_distiller), [each for each in self.features if each.requires_grad]
        self.features = []
        if not self.is_due() or not weighed:
            return
        if not features:
            raise ValueError(
                '`balance` must be used with a student whose backbone or neck is trained, but the features that its '
                'neck returns have no gradient; set `loss_weight` to a number'
            )
        both = total(of_detector), total(weighed)
        norms = torch.stack([norm_of_gradient(loss, features) for loss in both])
        all_reduce(norms, 'mean')
        measured = self.ratio * norms[0] / norms[1]
        step = (measured / self.weight).clamp(1 / self.MOST, self.MOST) ** self.MOMENTUM
        moved = torch.where(self.weight > 0, self.weight * step, measured)
        self.weight.copy_(torch.where(measured.isfinite() & (measured > 0), moved, self.weight))

    def weighed(self, losses: dict) -> dict:
        """Those that are weighed, of the losses of an iteration."""
        return {name: loss for name, loss in losses.items() if name in self.losses}

    def forward(self, losses: dict) -> dict:
        """The losses, those that are weighed times the weight, which is logged as `balance`."""
        weighed = scaled(self.weighed(losses), self.weight.clone())
        return {**losses, **weighed, 'balance': self.weight.clone()}


def build_balance(
    settings: dict | None, distiller: ConfigurableDistiller, student: BaseModel
) -> GradientBalance | None:
    """The balance of a distiller, if there are settings for one, which watches the student.

    Raises:
        ValueError: if it shall weigh a loss that the distiller does not train or that has no gradient at the start, and
            as :class:`GradientBalance`.
    """
    if settings is None:
        return None
    balance = GradientBalance(**settings)
    known = [name for name in distiller.distill_losses if 'loss' in name]  # others are logged alone
    if not set(balance.losses) <= set(known):
        raise ValueError(
            f'`losses` of `balance` must be losses of the distiller that are trained, {", ".join(known)}, but got '
            f'{", ".join(balance.losses)}'
        )
    for name in balance.losses:
        if isinstance(getattr(distiller.distill_losses[name], 'target', None), OwnOutput):
            raise ValueError(
                f'`balance` must weigh losses towards a teacher, but the target of {name} is the own output of a flow, '
                'which starts where that is, so that there is no gradient to measure; set `loss_weight` to a number'
            )
    balance.watch(student)
    return balance


def norm_of_gradient(loss: Tensor, features: Sequence[Tensor]) -> Tensor:
    """The L2 norm of a gradient, a scalar in float32, times `SCALE`; 0 if the loss is a constant.

    Raises:
        ValueError: if the loss does not read the features.
    """
    if not loss.requires_grad:
        return features[0].new_zeros((), dtype=torch.float32)
    gradients = torch.autograd.grad(SCALE * loss, features, retain_graph=True, allow_unused=True)
    norms = [gradient.float().norm() for gradient in gradients if gradient is not None]
    if not norms:
        raise ValueError(
            "`balance` must weigh losses that read what the student's neck returns, where gradients are measured, but "
            'those that it weighs have no gradient there; set their `loss_weight` to a number'
        )
    return torch.stack(norms).norm()
