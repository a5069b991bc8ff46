from .seeded_batches import SeededBatchSampler
from .train_loops import ResumableEpochLoop, ResumableIterLoop

__all__ = ['ResumableEpochLoop', 'ResumableIterLoop', 'SeededBatchSampler']
