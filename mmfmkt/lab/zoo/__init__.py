from .cells import Pair, read_pairs
from .metafile import published
from .update import update_zoo

__all__ = ['Pair', 'published', 'read_pairs', 'update_zoo']
