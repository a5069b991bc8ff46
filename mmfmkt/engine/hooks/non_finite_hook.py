"""Losses and gradients that are not finite: NaN or infinite."""

import logging
from collections.abc import Iterator

import torch
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.runner import Runner
from mmrazor.registry import HOOKS
from torch import Tensor, nn

from mmfmkt.common.messages import shorten
from mmfmkt.common.processes import any_process, unwrapped
from mmfmkt.models import FMKTDistill, FMKTLoss

COUNTER = 'skipped_iterations'


class NonFiniteError(ArithmeticError):
    """Training cannot go on with the numbers that it has."""


@HOOKS.register_module()
class NonFiniteHook(Hook):
    """Keeps losses and gradients that are not finite away from the weights.

    Before every step of the optimizer the gradients are looked at: their norm, which clipping has computed, or else
    all of them. If they are not finite in one process, none makes the step. A loss that is not finite makes them NaN
    (:meth:`FMKTDistill.parse_losses`). Under float16 it is the loss scaler that leaves out steps whose gradients
    overflow, which is normal; there only losses are looked at.

    Args:
        action: 'stop', or 'skip' to leave out the step and go on with the next batch.
        limit: how many iterations of a run may be skipped.

    Raises:
        ValueError: if `action` is another, or if `limit` is less than 1.
        NonFiniteError: in training, to stop; it names the losses, levels and steps, or the parameters.
    """

    priority = 'VERY_HIGH'  # nothing is logged or saved of an iteration that stops the run

    def __init__(self, action: str = 'stop', limit: int = 10) -> None:
        if action not in ('stop', 'skip'):
            raise ValueError(f"`action` of NonFiniteHook must be 'stop' or 'skip', but got {action!r}")
        if limit < 1:
            raise ValueError(f'`limit` of NonFiniteHook must be at least 1, but got {limit}')
        self.action, self.limit = action, limit

    def before_train(self, runner: Runner) -> None:
        self.losses: list[str] = []  # that were not finite, since the last step
        self.parameters: list[str] | None = None  # whose gradients were not, if there was something wrong in this step
        self.scales_losses = hasattr(runner.optim_wrapper, 'loss_scaler')
        if not self.scales_losses and not isinstance(runner.optim_wrapper, OptimWrapperDict):
            runner.optim_wrapper.optimizer.register_step_pre_hook(
                lambda *args: self.look_at_gradients(unwrapped(runner.model), runner.optim_wrapper)
            )

    def look_at_gradients(self, model: nn.Module, wrapper: OptimWrapper) -> None:
        """Forget them if they are not finite: the optimizer leaves out parameters without a gradient."""
        if not any_process(not gradient_norm(wrapper).isfinite()):
            return
        gradients = {name: parameter.grad for name, parameter in model.named_parameters() if parameter.grad is not None}
        self.parameters = [name for name, gradient in gradients.items() if not gradient.isfinite().all()]
        if len(self.parameters) == len(gradients):  # clipping has spread it
            self.parameters = ['all parameters']
        wrapper.optimizer.zero_grad(set_to_none=True)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None, outputs: dict | None = None
    ) -> None:
        if outputs and not outputs['loss'].isfinite():
            self.losses += non_finite_losses(unwrapped(runner.model), outputs)
        if not (any_process(bool(self.losses)) if self.scales_losses else self.parameters is not None):
            return
        losses, parameters = self.losses, self.parameters
        self.losses, self.parameters = [], None
        what = (
            f'the losses {shorten(losses, 12)}'
            if losses
            else f'the gradients of {shorten(parameters)}'
            if parameters
            else 'those of another process'
        )
        message = f'losses and gradients must be finite, but in iteration {runner.iter + 1} {what} are not'
        skipped = runner.message_hub.runtime_info.get(COUNTER, 0)
        if self.action == 'stop' or skipped == self.limit:
            limit = f' and {self.limit} iterations were skipped before' if self.action == 'skip' else ''
            raise NonFiniteError(
                f'{message}{limit}; lower the learning rate or the weight of the loss, warm it up with '
                'weight_schedule=dict(warm_up_iters=500) of the model, or skip such batches with dict(type='
                "'mmrazor.NonFiniteHook', action='skip') in custom_hooks"
            )
        runner.message_hub.update_info(COUNTER, skipped + 1)
        print_log(f'{message}; skipped, {skipped + 1} of at most {self.limit}', runner.logger, logging.WARNING)


def gradient_norm(wrapper: OptimWrapper) -> Tensor:
    """The norm of all gradients, from the log if clipping has just computed it."""
    if wrapper.clip_grad_kwargs and wrapper.grad_name == 'grad_norm':
        return torch.tensor(wrapper.message_hub.get_scalar('train/grad_norm').current())
    gradients = [parameter.grad for group in wrapper.optimizer.param_groups for parameter in group['params']]
    return torch.stack([gradient.norm() for gradient in gradients if gradient is not None]).norm()


def non_finite_losses(model: FMKTDistill, losses: dict[str, Tensor]) -> Iterator[str]:
    """The names of the losses that are not finite; of one of FM-KT with its levels and steps."""
    for name, value in losses.items():
        if name != 'loss' and not value.isfinite().all():
            of_distiller, own_name = model.distiller.distill_losses, name.removeprefix('distill.')
            loss = of_distiller[own_name] if own_name != name and own_name in of_distiller else None
            steps = loss.non_finite_steps() if isinstance(loss, FMKTLoss) else []
            yield f'{name} ({", ".join(steps)})' if steps else name
