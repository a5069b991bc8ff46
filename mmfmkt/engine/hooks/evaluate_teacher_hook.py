"""Is the teacher what it should be? Its metrics, before anything is trained."""

import copy
import logging
from collections.abc import Sequence
from typing import Any

import torch
from mmengine.dist import is_main_process
from mmengine.evaluator import BaseMetric
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.model import BaseModel
from mmengine.runner import Runner
from mmrazor.registry import HOOKS

from mmfmkt.common.evaluation_metrics import without_results
from mmfmkt.common.processes import unwrapped
from mmfmkt.common.progress import with_progress


@HOOKS.register_module()
class EvaluateTeacherHook(Hook):
    """Measures the teacher, or each of several, on the validation data, if the algorithm says `evaluate_teacher`.

    It sees the images as its own preprocessor makes them. A resumed run does not measure it again. A metric that asks
    for what the teacher does not predict, masks say, is reported, and training goes on.
    """

    priority = 'LOWEST'  # after the hook that protects the workers of the validation, which begin here

    def before_train(self, runner: Runner) -> None:
        model = unwrapped(runner.model)
        if not model.evaluate_teacher or runner.iter > 0:
            return
        for number, teacher in enumerate(model.teachers(), 1):
            name = f'teacher {number}' if len(model.teachers()) > 1 else 'teacher'
            metrics = self.measure(runner, teacher.detector)
            for reason in [value for value in metrics.values() if isinstance(value, str)]:
                print_log(f'the {name} was not measured: {reason}', runner.logger, logging.WARNING)
            figures = [f'{figure} {value:.4f}' for figure, value in metrics.items() if not isinstance(value, str)]
            if figures:
                print_log(f'{name}: {", ".join(figures)}', runner.logger)

    @torch.no_grad()
    def measure(self, runner: Runner, teacher: BaseModel) -> dict[str, float | str]:
        """The figures of a teacher; in the place of those of a metric that it has nothing for, the reason."""
        teacher.to(next(teacher.parameters()).device)  # tells its preprocessor where the model is
        loop = runner.val_loop
        evaluator = copy.copy(loop.evaluator)  # what it collects is not for the validation of the student
        evaluator.metrics = [tolerant(metric) for metric in loop.evaluator.metrics]
        print_log('measuring the teacher on the validation data', runner.logger)
        batches = loop.dataloader
        for batch in with_progress('the teacher', batches, len(batches)) if is_main_process() else batches:
            evaluator.process(data_samples=teacher.val_step(batch), data_batch=batch)
        return evaluator.evaluate(len(loop.dataloader.dataset))


def tolerant(metric: BaseMetric) -> BaseMetric:
    """The same metric without results, whose figure is the reason where it misses something in them.

    The first process computes, and the others wait for what it has: an error must not leave them alone.
    """
    trial, kind = without_results(metric), type(metric)
    missed: list[str] = []

    def process(data_batch: Any, data_samples: Sequence[dict]) -> None:
        if not missed:
            try:
                kind.process(trial, data_batch, data_samples)
            except KeyError as error:
                missed.append(str(error.args[0]))

    def compute_metrics(results: list) -> dict:
        try:
            if not missed:
                return kind.compute_metrics(trial, results)
        except KeyError as error:
            missed.append(str(error.args[0]))
        return {f'{kind.__name__} lacks': missed[0]}

    trial.process, trial.compute_metrics = process, compute_metrics
    return trial
