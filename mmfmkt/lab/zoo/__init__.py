from .metafile import published
from .pair_configs import Pair, read_pairs
from .update import update_zoo

__all__ = ['Pair', 'published', 'read_pairs', 'update_zoo']
