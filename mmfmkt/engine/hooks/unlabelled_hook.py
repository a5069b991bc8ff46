"""A batch of images without labels beside every batch of the training."""

from mmdet.registry import DATASETS
from mmengine.dist import broadcast_object_list, get_world_size
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmrazor.registry import HOOKS
from torch import nn

from mmfmkt.common.processes import unwrapped
from mmfmkt.engine.loading.sample_errors import name_samples
from mmfmkt.engine.loading.unlabelled import endless_loader
from mmfmkt.models.distill.fmkt_distill import FMKTDistill
from mmfmkt.models.distill.unlabelled import mappings_without_labels
from mmfmkt.models.flows.pyramid_flow import PyramidFlow


@HOOKS.register_module()
class UnlabelledHook(Hook):
    """Gives a distillation a second batch in every iteration, of images that nobody has labelled.

    The losses that compare features are computed for these images too, and are means over all images; the student's
    own losses are those of the labelled ones.

    Args:
        dataset: config of a data set, :class:`~mmfmkt.engine.loading.unlabelled.UnlabelledImages` for a folder of
            images. Labels that another has are not read.
        batch_size: images without labels in an iteration, of each process.
        num_workers: processes that load them.

    Raises:
        ValueError: if a number is too small, or if there is no image.
        FileNotFoundError: if the images are not there.
    """

    def __init__(self, dataset: dict, batch_size: int, num_workers: int = 2) -> None:
        if batch_size < 1 or num_workers < 0:
            raise ValueError(
                '`batch_size` and `num_workers` of UnlabelledHook must be at least 1 and 0, but got '
                f'{batch_size} and {num_workers}'
            )
        self.dataset = DATASETS.build(dataset)
        if not len(self.dataset):
            raise ValueError('`dataset` of UnlabelledHook must have images, but there is none')
        name_samples(self.dataset)
        self.batch_size, self.num_workers = batch_size, num_workers

    def before_run(self, runner: Runner) -> None:
        self.check(runner)

    def check(self, runner: Runner) -> None:
        """Raise a ValueError if nothing can be learned from these images, or if several processes cannot do so."""
        model = unwrapped(runner.model)
        if not isinstance(model, FMKTDistill):
            raise ValueError(
                f'UnlabelledHook must be used with a distillation, but the model is a {type(model).__name__}, which '
                'learns nothing from images without labels; leave it out'
            )
        mappings_without_labels(model.distiller)
        if get_world_size() > 1 and (parts := recomputed_parts(model.architecture)):
            raise ValueError(
                'UnlabelledHook must be used without `with_cp` in several processes, where DDP lets nothing that runs '
                f'twice be recomputed, but got {get_world_size()} processes and `with_cp` in {" and ".join(parts)} of '
                'the student; leave it out, or train in one process'
            )

    def before_train(self, runner: Runner) -> None:
        seed = [runner.seed]  # processes may have different ones, and share the images among them
        broadcast_object_list(seed)
        self.model = unwrapped(runner.model)
        self.batches = iter(endless_loader(self.dataset, self.batch_size, self.num_workers, seed[0], runner.iter))

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None) -> None:
        if self.model.distilling:
            self.model.unlabelled = next(self.batches)

    def after_train(self, runner: Runner) -> None:
        del self.batches


def recomputed_parts(detector: nn.Module) -> list[str]:
    """Those of backbone and neck with activations that MMDetection recomputes; a flow does so as DDP lets it."""
    parts = {part: getattr(detector, part, nn.Identity()) for part in ('backbone', 'neck')}
    return [
        name
        for name, part in parts.items()
        if any(getattr(each, 'with_cp', False) and not isinstance(each, PyramidFlow) for each in part.modules())
    ]
