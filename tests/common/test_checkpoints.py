"""A checkpoint is read, or refused with its name and a remedy."""

import urllib.error

import pytest
import torch
from mmengine.runner import CheckpointLoader
from torch import nn

from mmfmkt.common.checkpoints import read_checkpoint, without_repeated


class WritesAFile:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), 'w')


def write(path, content):
    path.write_bytes(content) if isinstance(content, bytes) else torch.save(content, path)
    return str(path)


@pytest.mark.parametrize(
    'content',
    [
        dict(w=torch.ones(1)),
        dict(state_dict=dict(w=torch.ones(1)), meta={}),
        dict(state_dict={'module.w': torch.ones(1)}),
    ],
)
def test_weights_are_found_bare_under_their_key_and_with_the_prefix_of_a_wrapper(tmp_path, content):
    assert read_checkpoint(write(tmp_path / 'checkpoint.pth', content), '`x`')[0] == dict(w=torch.ones(1))


@pytest.mark.parametrize(
    'content',
    [
        b'',
        b'not a checkpoint',
        b'PK\x03\x04 half a zip file',
        dict(),
        dict(state_dict=dict()),
        dict(meta=dict(epoch=1)),
        [1, 2],
        torch.ones(2),
    ],
)
def test_a_file_without_weights_is_refused_by_name(tmp_path, content):
    path = write(tmp_path / 'checkpoint.pth', content)
    with pytest.raises(ValueError, match=f'`teacher_ckpt` {path} ') as error:
        read_checkpoint(path, '`teacher_ckpt`')
    assert len(str(error.value).splitlines()) == 1


def test_a_checkpoint_cut_off_in_the_middle_is_refused(tmp_path):
    path = tmp_path / 'checkpoint.pth'
    write(path, dict(state_dict=dict(w=torch.ones(10000))))
    path.write_bytes(path.read_bytes()[:20000])
    with pytest.raises(ValueError, match='could not be read'):
        read_checkpoint(str(path), '`teacher_ckpt`')


def test_a_checkpoint_that_would_run_code_is_refused_and_runs_nothing(tmp_path):
    path = write(tmp_path / 'checkpoint.pth', dict(state_dict=WritesAFile(tmp_path / 'harm')))
    with pytest.raises(ValueError, match='could run code.*TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD=1'):
        read_checkpoint(path, '`teacher_ckpt`')
    assert not (tmp_path / 'harm').exists()


@pytest.mark.parametrize(
    'error',
    [
        urllib.error.URLError('no route'),
        TimeoutError('no route'),
        urllib.error.HTTPError('https://x', 404, 'no route', {}, None),
    ],
)
def test_an_address_that_cannot_be_reached_is_refused_with_a_remedy(monkeypatch, error):

    def fail(*args, **kwargs):
        raise error

    monkeypatch.setattr(CheckpointLoader, 'load_checkpoint', fail)
    with pytest.raises(
        ConnectionError, match='`teacher_ckpt` https://x/y.pth could not be fetched .*no route.*; download it'
    ):
        read_checkpoint('https://x/y.pth', '`teacher_ckpt`')


def test_a_file_that_is_not_there_is_named():
    with pytest.raises(FileNotFoundError, match='`teacher_ckpt` must be a file or an address, but nowhere.pth is none'):
        read_checkpoint('nowhere.pth', '`teacher_ckpt`')


def test_only_weights_that_are_unknown_and_repeat_known_ones_are_left_out():
    detector = nn.ModuleDict(dict(head=nn.Linear(2, 2)))
    weights = detector.state_dict()
    repeated = {'decoder.weight': weights['head.weight'].clone()}
    others = {'decoder.bias': weights['head.bias'] + 1, 'decoder.other': weights['head.weight']}
    assert set(without_repeated({**weights, **repeated, **others}, detector)) == {*weights, *others}
