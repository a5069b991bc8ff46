"""Is the teacher what it should be? Its metrics, before anything is trained."""

import logging

import torch
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.model import BaseModel
from mmengine.runner import Runner
from mmrazor.registry import HOOKS

from mmfmkt.common.processes import unwrapped
from mmfmkt.common.progress import with_progress


@HOOKS.register_module()
class EvaluateTeacherHook(Hook):
    """Measures the teacher, or each of several, on the validation data, if the algorithm says `evaluate_teacher`.

    It sees the images as its own preprocessor makes them. A resumed run does not measure it again. A metric that asks
    for what the teacher does not predict, masks say, is reported, and training goes on.
    """

    def before_train(self, runner: Runner) -> None:
        model = unwrapped(runner.model)
        if not model.evaluate_teacher or runner.iter > 0:
            return
        for number, teacher in enumerate(model.teachers(), 1):
            name = f'teacher {number}' if len(model.teachers()) > 1 else 'teacher'
            try:
                metrics = self.measure(runner, teacher.detector)
            except KeyError as error:
                print_log(f'the {name} was not measured: {error.args[0]}', runner.logger, logging.WARNING)
            else:
                said = ', '.join(f'{figure} {value:.4f}' for figure, value in metrics.items())
                print_log(f'{name}: {said}', runner.logger)

    @torch.no_grad()
    def measure(self, runner: Runner, teacher: BaseModel) -> dict[str, float]:
        teacher.to(next(teacher.parameters()).device)  # tells its preprocessor where the model is
        loop = runner.val_loop
        print_log('measuring the teacher on the validation data', runner.logger)
        batches = loop.dataloader
        for batch in with_progress('the teacher', batches, len(batches)) if is_main_process() else batches:
            loop.evaluator.process(data_samples=teacher.val_step(batch), data_batch=batch)
        return loop.evaluator.evaluate(len(loop.dataloader.dataset))
