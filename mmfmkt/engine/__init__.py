from . import checkpoint_files, cpu, hooks, loading  # registers everything

__all__ = ['checkpoint_files', 'cpu', 'hooks', 'loading']
