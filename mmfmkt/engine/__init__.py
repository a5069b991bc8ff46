from . import checkpoint_files, cpu, hooks, loading, sharding  # registers everything

__all__ = ['checkpoint_files', 'cpu', 'hooks', 'loading', 'sharding']
