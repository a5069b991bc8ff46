"""Warm-up, decay and end of the distillation."""

from mmengine.dist import get_world_size
from mmengine.hooks import Hook
from mmengine.runner import IterBasedTrainLoop, Runner
from mmrazor.registry import HOOKS

from mmfmkt.common.processes import unwrapped
from mmfmkt.models.distill.weight_schedule import WeightSchedule


@HOOKS.register_module()
class WeightScheduleHook(Hook):
    """Gives the algorithm the factor of its `weight_schedule` for the iteration, and ends the distillation with it.

    One that changes is logged as `distill_weight`. Epochs of a training that counts iterations are passes over its
    data.
    """

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None) -> None:
        model = unwrapped(runner.model)
        schedule, epoch = model.weight_schedule, runner.iter / self.epoch_length(runner)
        model.distill_weight = schedule(runner.iter, epoch)
        if schedule != WeightSchedule():
            runner.message_hub.update_scalar('train/distill_weight', model.distill_weight)
        if model.distilling and schedule.stop_epoch is not None and epoch >= schedule.stop_epoch:
            model.stop_distillation()
            self.forget_losses(runner)
            runner.logger.info(f'distillation ends before iteration {runner.iter + 1}; the teacher is freed')

    @staticmethod
    def forget_losses(runner: Runner) -> None:
        """Of losses that are no longer computed, the log would repeat the last mean for ever."""
        scalars = runner.message_hub.log_scalars
        for name in [name for name in scalars if name.startswith(('train/distill.', 'train/flow.'))]:
            del scalars[name]

    @staticmethod
    def epoch_length(runner: Runner) -> float:
        """Iterations of a pass over the data; an endless sampler does not say how many its process has."""
        loader = runner.train_dataloader
        if isinstance(runner.train_loop, IterBasedTrainLoop):
            return len(loader.dataset) / (loader.batch_sampler.batch_size * get_world_size())
        return len(loader)
