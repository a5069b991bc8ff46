from . import checkpoint_files, faster_coco_metric, hooks, loading, mixed_precision, sharding  # registers everything

__all__ = ['checkpoint_files', 'faster_coco_metric', 'hooks', 'loading', 'mixed_precision', 'sharding']
