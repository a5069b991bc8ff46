"""Pictures of the flow while it learns."""

from __future__ import annotations

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop, Runner
from mmrazor.registry import HOOKS

from mmfmkt.common.processes import unwrapped
from mmfmkt.engine.loading.seeding import seeded
from mmfmkt.visualization import Errors, draw_errors, draw_sheet, find_flow_loss, in_batches, paths_through, to_rgb

BATCH = 8  # images that go through the detectors together


@HOOKS.register_module()
class FlowVisualizationHook(Hook):
    """Draws the features and the errors of the flow on validation images, for the backends of the visualizer.

    `flow_features_<k>` is the sheet of an image, `flow_errors` the chart of the error along the steps; the step is the
    iteration. The weights are those that are trained, not their average. Training is the same with and without it.

    Args:
        interval: epochs between two drawings, at least 1; of a training that counts iterations, validations. It follows
            from the iteration, so that a resumed run draws at the same ones.
        num_images: how many of the first validation images get a sheet.
        num_val_images: of how many the chart is made.

    Raises:
        ValueError: if one of the three is less than 1; before training, if the method has no flow in its pyramid, if
            there is no validation data, or if the parameters are spread over processes.
    """

    priority = 'VERY_LOW'  # after a validation, when an EMA hook has put back the weights that are trained

    def __init__(self, interval: int = 1, num_images: int = 2, num_val_images: int = 64) -> None:
        for name, value in dict(interval=interval, num_images=num_images, num_val_images=num_val_images).items():
            if value < 1:
                raise ValueError(f'`{name}` of FlowVisualizationHook must be at least 1, but got {value}')
        self.interval, self.num_images, self.num_val_images = interval, num_images, num_val_images

    def before_train(self, runner: Runner) -> None:
        if not isinstance(runner, Runner):  # one process alone cannot run a model in shards
            raise ValueError(
                f'FlowVisualizationHook must run in a Runner, but got {type(runner).__name__}; leave it out, or use '
                'tools/visualize_flow.py afterwards'
            )
        find_flow_loss(unwrapped(runner.model))
        if runner.val_loop is None:
            raise ValueError(
                'FlowVisualizationHook must have validation data, but there are none; set `val_dataloader`, '
                '`val_evaluator` and `val_cfg`'
            )

    def after_train_epoch(self, runner: Runner) -> None:
        if isinstance(runner.train_loop, EpochBasedTrainLoop) and self.every_n_epochs(runner, self.interval):
            self.draw(runner)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        by_iter = not isinstance(runner.train_loop, EpochBasedTrainLoop)
        if by_iter and runner.iter % (self.interval * runner.val_interval) == 0:
            self.draw(runner)

    def draw(self, runner: Runner) -> None:
        """Draw in the main process, as long as there is something that the flow learns from."""
        algorithm, dataset = unwrapped(runner.model), runner.val_loop.dataloader.dataset
        if not is_main_process() or not algorithm.distilling:
            return
        taught, errors = algorithm.teacher is not None, Errors()
        with seeded(0):  # the pipeline's random numbers; those of the training go on as if nothing had been drawn
            photos = next(in_batches(dataset, self.num_images, self.num_images))
            paths = paths_through(algorithm, photos)
            for batch in in_batches(dataset, self.num_val_images, BATCH):
                errors.add(paths_through(algorithm, batch))
        for index, photo in enumerate(photos):
            runner.visualizer.add_image(
                f'flow_features_{index}', to_rgb(draw_sheet(paths, photo, index, taught)), runner.iter
            )
        runner.visualizer.add_image('flow_errors', to_rgb(draw_errors(errors, taught)), runner.iter)
