"""FM-KT, knowledge distillation by flow matching, for the detectors of MMDetection.

Importing this package registers everything: `custom_imports = dict(imports=['mmfmkt'], allow_failed_imports=False)`.
"""

import importlib
from typing import TYPE_CHECKING, Any

from .common import threads

threads.wait_asleep()

from . import compat  # noqa: E402 (imports PyTorch)

compat.apply()

from . import engine, models  # noqa: E402,F401
from .common.version import __version__  # noqa: E402
from .pairing import short_form  # noqa: E402,F401

if TYPE_CHECKING:
    from .api import Trained, distill, evaluate, export, train

__all__ = ['Trained', '__version__', 'distill', 'evaluate', 'export', 'train']


def __getattr__(name: str) -> Any:
    """What starts runs is imported when it is used: a config that names this project needs no command line."""
    if name in __all__:
        return getattr(importlib.import_module('.api', __name__), name)
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
