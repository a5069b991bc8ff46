import subprocess

import pytest
import torch

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


@pytest.mark.parametrize(
    'device, cuda, name',
    [('cpu', None, 'CPU, with a PyTorch without CUDA'), ('cpu', '13.0', 'CPU'), ('cuda', '13.0', 'NVIDIA H100')],
)
def test_the_device_has_a_name(monkeypatch, device, cuda, name):
    monkeypatch.setattr(run_log, 'get_device', lambda: device)
    monkeypatch.setattr(torch.version, 'cuda', cuda)
    monkeypatch.setattr(torch.cuda, 'get_device_name', lambda: 'NVIDIA H100')
    assert run_log.name_device() == name
