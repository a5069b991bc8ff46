"""Files of checkpoints: written whole, and found again when some are damaged."""

import os
import stat

import pytest
import torch
from mmengine.config import Config
from mmengine.fileio import get_file_backend

from mmfmkt.common.files import UNFINISHED, write_whole
from mmfmkt.engine.checkpoint_files import (
    INTERRUPTED,
    WholeFilesBackend,
    checkpoint_folders,
    find_resumable,
    name_newest,
    named_newest,
    remove_passed,
    remove_unfinished,
)


def test_a_file_is_whole_or_as_it_was(tmp_path, monkeypatch):
    file = tmp_path / 'folder' / 'file'
    write_whole(file, 'old')

    def crash(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, 'fsync', crash)
    with pytest.raises(KeyboardInterrupt):
        write_whole(file, b'new and longer')
    assert file.read_text() == 'old'
    monkeypatch.undo()
    write_whole(file, b'new')
    assert file.read_bytes() == b'new' and list(file.parent.iterdir()) == [file]


def test_an_outdated_checkpoint_stays_until_the_next_is_there(tmp_path):
    backend = get_file_backend(backend_args=dict(backend='whole_files'))
    old, new = tmp_path / 'epoch_1.pth', tmp_path / 'epoch_2.pth'
    backend.put(b'1', old)
    backend.remove(str(old))
    get_file_backend(backend_args=dict(backend='whole_files')).put(b'2', str(new))
    assert old.read_bytes() == b'1' and new.read_bytes() == b'2'
    WholeFilesBackend.remove_outdated()
    assert not old.exists() and new.exists()


def test_a_file_system_that_cannot_force_folders_to_the_disk_is_no_error(tmp_path, monkeypatch):
    force = os.fsync

    def fsync(number):
        if stat.S_ISDIR(os.fstat(number).st_mode):
            raise OSError(22, 'Invalid argument')
        force(number)

    monkeypatch.setattr(os, 'fsync', fsync)
    write_whole(tmp_path / 'file', 'text')
    assert (tmp_path / 'file').read_text() == 'text'


def save(file, **content):
    torch.save(dict(state_dict=dict(weight=torch.zeros(1000)), meta={}, **content), file)
    return str(file)


@pytest.fixture
def folder(tmp_path):
    """With three checkpoints, the oldest first, the last of which is named as the newest."""
    for age, name in enumerate(['epoch_1.pth', 'epoch_2.pth', 'epoch_10.pth']):
        os.utime(save(tmp_path / name), (age, age))
    save(tmp_path / 'best_coco_bbox_mAP_epoch_2.pth')
    name_newest(tmp_path, str(tmp_path / 'epoch_10.pth'))
    return tmp_path


def test_the_newest_checkpoint_is_gone_on_from(folder):
    assert find_resumable(folder).path == str(folder / 'epoch_10.pth')


@pytest.mark.parametrize(
    'damage',
    [
        lambda file: file.write_bytes(file.read_bytes()[:-100]),
        lambda file: file.write_bytes(b''),
        lambda file: file.write_bytes(b'garbage'),
        lambda file: file.unlink(),
    ],
)
def test_a_damaged_checkpoint_is_passed_over_for_the_newest_that_is_whole(folder, damage):
    damage(folder / 'epoch_10.pth')
    assert find_resumable(folder).path == str(folder / 'epoch_2.pth') == named_newest(folder)


@pytest.mark.parametrize('pointer', ['', 'elsewhere/epoch_3.pth'])
def test_a_damaged_pointer_is_repaired(folder, pointer):
    (folder / 'last_checkpoint').write_text(pointer)
    assert find_resumable(folder).path == str(folder / 'epoch_10.pth') == named_newest(folder)


def test_a_folder_that_was_moved_names_its_own_newest_checkpoint(folder, tmp_path):
    (folder / 'last_checkpoint').write_text('/nowhere/epoch_1.pth')
    assert find_resumable(folder).path == str(folder / 'epoch_1.pth')


def test_a_run_without_a_readable_checkpoint_is_not_started_anew(folder):
    for file in folder.glob('*.pth'):
        file.write_bytes(b'')
    with pytest.raises(
        ValueError,
        match=r'one of the checkpoints of the run must be readable(.*\n.*epoch_\d+.pth could not be read){3}',
    ):
        find_resumable(folder)


def test_a_folder_without_checkpoints_is_the_beginning(tmp_path):
    assert find_resumable(tmp_path) is None and find_resumable(tmp_path / 'nowhere') is None


@pytest.fixture
def parted(folder, tmp_path_factory):
    """The folders of a run whose checkpoints are in an `out_dir`, its work dir first."""
    cfg = Config(dict(default_hooks=dict(checkpoint=dict(type='CheckpointHook', out_dir=str(folder.parent)))))
    work_dir = tmp_path_factory.mktemp('work') / folder.name
    name_newest(work_dir, str(folder / 'epoch_10.pth'))
    return checkpoint_folders(str(work_dir), cfg)


@pytest.mark.parametrize('pointer', [None, ''])
def test_checkpoints_in_another_folder_are_gone_on_from(parted, pointer):
    work_dir, folder = parted
    if pointer is not None:
        (work_dir / 'last_checkpoint').write_text(pointer)
    assert find_resumable(*parted).path == str(folder / 'epoch_10.pth') == named_newest(*parted)
    (folder / 'epoch_10.pth').write_bytes(b'')
    assert find_resumable(*parted).path == str(folder / 'epoch_2.pth')
    assert (work_dir / 'last_checkpoint').read_text() == str(folder / 'epoch_2.pth')


def test_what_is_left_over_is_removed_in_both_folders(parted):
    work_dir, folder = parted
    left = [work_dir / f'interrupted.pth{UNFINISHED}', folder / f'epoch_11.pth{UNFINISHED}', work_dir / INTERRUPTED]
    for file in left:
        file.write_bytes(b'')
    remove_unfinished(*parted)
    assert [file.exists() for file in left] == [False, False, True]
    (work_dir / 'last_checkpoint').unlink()
    os.utime(work_dir / INTERRUPTED, (0, 0))
    remove_passed(*parted)
    assert not left[2].exists()


@pytest.mark.parametrize('out_dir', [None, 's3://bucket'])
def test_without_another_folder_on_this_disk_there_is_the_work_dir(tmp_path, out_dir):
    cfg = Config(dict(default_hooks=dict(checkpoint=dict(out_dir=out_dir))))
    assert checkpoint_folders(str(tmp_path), cfg) == checkpoint_folders(str(tmp_path), Config()) == [tmp_path]
