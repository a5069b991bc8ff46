"""FM-KT, knowledge distillation by flow matching, for the detectors of MMDetection.

Importing this package registers everything: `custom_imports = dict(imports=['mmfmkt'], allow_failed_imports=False)`.
"""

from .common import threads

threads.wait_asleep()

from . import compat  # noqa: E402 (imports PyTorch)

compat.apply()

from . import engine, models  # noqa: E402,F401
from .common.version import __version__  # noqa: E402
from .pairing import short_form  # noqa: E402,F401

__all__ = ['__version__']
