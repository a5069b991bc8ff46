"""Where the set-up puts things."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / '.venv'
PYTHON = VENV / 'bin' / 'python'
LOG, TEMPORARY = VENV / 'setup.log', VENV / 'tmp'
CACHE = Path(os.environ.get('XDG_CACHE_HOME') or os.path.expanduser('~/.cache')) / 'mmfmkt'
PIP = [str(PYTHON), '-m', 'pip']
