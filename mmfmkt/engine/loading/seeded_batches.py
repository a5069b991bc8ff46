"""Batches of images that bring their random state with them: into any worker, at any time."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from mmengine.dist import get_rank
from mmengine.registry import DATA_SAMPLERS as ALL_DATA_SAMPLERS
from mmengine.registry import FUNCTIONS
from mmrazor.registry import DATA_SAMPLERS
from torch.utils.data import BatchSampler, Sampler

from . import workers  # noqa: F401 (registers what workers start with)
from .seeding import seeded


class SeededBatch:
    """The indices of a batch. Whoever goes through them, to load the images, has the random state of each."""

    def __init__(self, indices: Sequence[int], *numbers: int) -> None:
        self.indices, self.numbers = indices, numbers

    def __len__(self) -> int:
        return len(self.indices)

    def __iter__(self) -> Iterator[int]:
        for place, index in enumerate(self.indices):
            with seeded(*self.numbers, place):
                yield index


@DATA_SAMPLERS.register_module()
class SeededBatchSampler:
    """The batches of another batch sampler, each image with a random state of its own.

    The state follows from the seed, the process, the pass over the data, the number of the batch and the place in it.
    It does not depend on the workers, and a pass can begin in the middle.

    Args:
        sampler: chooses the images.
        batch_size: images in a batch.
        seed: that of the run.
        batch_sampler: config of the sampler that makes the batches; by default consecutive images.
        drop_last: leave out a last batch that is not full; of consecutive images only.
    """

    def __init__(
        self, sampler: Sampler, batch_size: int, seed: int, batch_sampler: dict | None = None, drop_last: bool = False
    ) -> None:
        if batch_sampler:
            self.batches = ALL_DATA_SAMPLERS.build(
                batch_sampler, default_args=dict(sampler=sampler, batch_size=batch_size)
            )
        else:
            self.batches = BatchSampler(sampler, batch_size, drop_last)
        self.sampler, self.batch_size, self.seed = sampler, batch_size, seed
        self.start_at(0, 0)

    def start_at(self, number: int, batch: int) -> None:
        """Let the next pass be that of this number, from 0, and begin with this batch of it."""
        self.number, self.first = number, batch

    def __len__(self) -> int:
        """The batches of a whole pass."""
        return len(self.batches)

    def __iter__(self) -> Iterator[SeededBatch]:
        number, first = self.number, self.first
        self.start_at(number + 1, 0)
        for batch, indices in enumerate(self.batches):
            if batch >= first:
                yield SeededBatch(indices, self.seed, get_rank(), number, batch)


def seeded_loader(loader: dict, seed: int) -> dict:
    """The config of a data loader whose batches are seeded."""
    batches = dict(
        type='mmrazor.SeededBatchSampler',
        seed=seed,
        batch_sampler=loader.get('batch_sampler'),
        drop_last=loader.get('drop_last', False),
    )
    loader = {key: value for key, value in loader.items() if key not in ('drop_last', 'disable_subprocess_warning')}
    start = dict(type='start_worker', before=built(loader.get('worker_init_fn')))
    return dict(loader, worker_init_fn=start, batch_sampler=batches)


def built(config: dict | None) -> Callable[[int], None] | None:
    """The function that a config of a data loader has its workers begin with, as MMEngine builds it."""
    if config is None:
        return None
    arguments = dict(config)
    function = arguments.pop('type')
    return partial(FUNCTIONS.get(function) if isinstance(function, str) else function, **arguments)
