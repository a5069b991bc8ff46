"""The weight of the distillation as a function of time."""

from dataclasses import dataclass


@dataclass(frozen=True)
class WeightSchedule:
    """A factor of all losses of the distiller: it rises, stays at 1, falls, and is 0 from some epoch on.

    Args:
        warm_up_iters: iterations in which it rises in a line, from `1 / warm_up_iters` to 1.
        decay_epoch: epoch from which it falls in a line, to 0 at `stop_epoch`.
        stop_epoch: epoch from which there is no distillation: the teacher is freed.

    Epochs are counted from 0, so that `stop_epoch` is the number of epochs with distillation.

    Raises:
        ValueError: if a number is negative, or if a decay does not end in a later stop.
    """

    warm_up_iters: int = 0
    decay_epoch: int | None = None
    stop_epoch: int | None = None

    def __post_init__(self) -> None:
        for name in ('warm_up_iters', 'decay_epoch', 'stop_epoch'):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 0):
                raise ValueError(f'`{name}` of weight_schedule must be an integer of at least 0, but got {value!r}')
        if self.decay_epoch is not None and (self.stop_epoch is None or self.stop_epoch <= self.decay_epoch):
            raise ValueError(
                '`decay_epoch` of weight_schedule must be followed by a later `stop_epoch`, at which the weight is '
                f'0, but got {self.decay_epoch} and {self.stop_epoch}'
            )

    def __call__(self, iteration: int, epoch: float) -> float:
        """The factor in [0, 1] of an iteration, counted from 0, which lies at `epoch`, a fraction between two."""
        if self.stop_epoch is not None and epoch >= self.stop_epoch:
            return 0.0
        factor = min(1.0, (iteration + 1) / self.warm_up_iters) if self.warm_up_iters else 1.0
        if self.decay_epoch is not None and epoch > self.decay_epoch:
            assert self.stop_epoch is not None  # a decay has one
            factor *= (self.stop_epoch - epoch) / (self.stop_epoch - self.decay_epoch)
        return factor
