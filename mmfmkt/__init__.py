"""FM-KT, knowledge distillation by flow matching, for the detectors of MMDetection.

Importing this package registers everything: `custom_imports = dict(imports=['mmfmkt'], allow_failed_imports=False)`.
"""
from . import threads

threads.wait_asleep()

from . import compat  # noqa: E402 (imports PyTorch)

compat.apply()

from . import engine, models, short_form  # noqa: E402,F401
from .version import __version__  # noqa: E402

__all__ = ['__version__']
