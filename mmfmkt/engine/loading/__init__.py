from .seeded_batches import SeededBatchSampler
from .train_loops import ResumableEpochLoop, ResumableIterLoop
from .unlabelled import UnlabelledImages

__all__ = ['ResumableEpochLoop', 'ResumableIterLoop', 'SeededBatchSampler', 'UnlabelledImages']
