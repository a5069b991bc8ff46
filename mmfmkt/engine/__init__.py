from . import checkpoint_files, hooks, loading, mixed_precision, sharding  # registers everything

__all__ = ['checkpoint_files', 'hooks', 'loading', 'mixed_precision', 'sharding']
