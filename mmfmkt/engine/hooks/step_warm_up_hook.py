"""The number of steps of the flow as a function of the epoch."""

from collections.abc import Sequence

from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop, Runner
from mmrazor.registry import HOOKS

from mmfmkt.models.flows.pyramid_flow import find_flows


@HOOKS.register_module()
class StepWarmUpHook(Hook):
    """Trains with few steps at first, when they are all nearly the same, and with more later.

    A resumed run goes on with the steps of its epoch. Inference keeps its own number of steps.

    Args:
        num_steps: pairs (epoch, N) in the order of the epochs, counted from 0, the first: from this epoch on, N steps
            are taken, or one of a list of them.

    Raises:
        ValueError: if there is no pair, if the first is not of epoch 0, or if the epochs do not rise; before training,
            if the model has no flow, if the training is not counted in epochs, or if an N is not a number of steps.
    """

    def __init__(self, num_steps: Sequence[tuple[int, int | Sequence[int]]]) -> None:
        pairs = isinstance(num_steps, (list, tuple)) and all(
            isinstance(pair, (list, tuple)) and len(pair) == 2 for pair in num_steps
        )
        epochs = [epoch for epoch, _ in num_steps] if pairs else []
        if not epochs or epochs[0] != 0 or sorted(set(epochs)) != epochs:
            raise ValueError(
                '`num_steps` of StepWarmUpHook must be pairs (epoch, N) with rising epochs from 0 on, such as '
                f'[(0, 1), (4, 2), (8, 4)], but got {num_steps!r}'
            )
        self.num_steps = num_steps

    def before_train(self, runner: Runner) -> None:
        if not isinstance(runner.train_loop, EpochBasedTrainLoop):
            raise ValueError(
                f'StepWarmUpHook must run in an EpochBasedTrainLoop, but got {type(runner.train_loop).__name__}'
            )
        self.flows = find_flows(runner.model)
        if not self.flows:
            raise ValueError('StepWarmUpHook must have a model with a flow, but got one without')
        for _, value in self.num_steps:
            self.set_num_steps(value)

    def before_train_epoch(self, runner: Runner) -> None:
        self.set_num_steps(next(value for epoch, value in reversed(self.num_steps) if epoch <= runner.epoch))

    def set_num_steps(self, value: int | Sequence[int]) -> None:
        for flow in self.flows:
            flow.num_steps = value
