"""Accidents and wrong input, in short; the long forms are commands."""
import sys

import pytest
from commands import ROOT, run, succeed

pytestmark = pytest.mark.slow


def test_a_run_that_is_killed_and_damaged_ends_as_if_it_had_been_left_in_peace():
    printed = succeed(run(sys.executable, '-W', 'ignore', ROOT / 'tests/chaos.py', '--kills', 6, '--seed', 2))
    assert '6 disturbances' in printed and ': 0 faults' in printed
