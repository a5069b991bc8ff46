import subprocess

import pytest

from mmfmkt.cli import run_log


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """The file that is asked about stands in a folder with a `.git` that git refuses."""
    monkeypatch.setattr(run_log, '__file__', str(tmp_path / 'mmfmkt' / 'cli' / 'run_log.py'))
    monkeypatch.setattr(subprocess, 'run', lambda *args, **kwargs: subprocess.CompletedProcess(args, 128, '', ''))
    (tmp_path / '.git').mkdir()
    return tmp_path


def test_the_revision_of_a_clone_that_git_refuses_is_unknown(clone):
    assert run_log.revision() == 'revision unknown'


def test_what_has_no_git_is_no_clone(clone):
    (clone / '.git').rmdir()
    assert run_log.revision() == 'no clone'
