"""Configs that are not there, among them those that earlier versions had in another place."""

import pytest

from mmfmkt.common.config_files import read_config

TO_PAIR = 'configs/retinanet/retinanet_r101_r50.py'


@pytest.mark.parametrize(
    'path, message',
    [
        ('configs/pkd_retinanet_r101_r50.py', f'use {TO_PAIR} with --method pkd'),
        ('configs/cwd_dino_swin-l_r50_12e.py', 'use configs/dino/dino_swin-l_r50_12e.py with --method cwd'),
        ('configs/_base_/pairs/retinanet_r101_r50.py', f'use {TO_PAIR}'),
        ('configs/_base_/pairs/faster-rcnn_r101_r50_1x.py', 'use configs/faster_rcnn/faster-rcnn_r101_r50_1x.py'),
        ('configs/_base_/features.py', 'use configs/_base_/distillers/features.py'),
        ('configs/_base_/logits.py', 'use configs/_base_/distillers/logits.py'),
        ('configs/_base_/fmkt-logit.py', 'use configs/_base_/methods/fmkt-logit.py'),
        # methods without a teacher were there once for each student
        (
            'configs/ofmkt_retinanet_r50.py',
            f'use configs/retinanet/retinanet_mask-rcnn-swin-s_r50.py or {TO_PAIR} or '
            'configs/retinanet/retinanet_x101_r50.py with --method ofmkt',
        ),
        ('configs/student_rtmdet_s_300e.py', 'use configs/rtmdet/rtmdet_l_s_300e.py with --method student'),
        ('configs/fmkt-logit_retinanet_r101_r50.py', f'use {TO_PAIR} with --method fmkt-logit'),
        ('configs/fmkt-feature-logit_retinanet_r101_r50.py', f'use {TO_PAIR} with --method fmkt-feature-logit'),
    ],
)
def test_a_config_that_has_moved_says_where_to(root, monkeypatch, tmp_path, path, message):
    monkeypatch.chdir(root)
    with pytest.raises(FileNotFoundError) as error:
        read_config(path, 'the config')
    assert str(error.value) == f'{path} has moved: {message}'
    # as the base of another config, which has the method in its text
    (tmp_path / 'own.py').write_text(f"_base_ = '{root}/{path}'\n")
    with pytest.raises(FileNotFoundError) as error:
        read_config(str(tmp_path / 'own.py'), 'the config')
    named, _, method = message.replace('configs/', f'{root}/configs/').partition(' with --method ')
    assert str(error.value) == (
        f'the config {tmp_path}/own.py has a base that is elsewhere: {root}/{path} has moved: {named}'
        + (f" with model = dict(method='{method}')" if method else '')
    )


def test_the_new_place_is_named_as_the_old_one_was(root, monkeypatch):
    monkeypatch.chdir(root / 'configs')
    for path, new in (
        ('pkd_retinanet_r101_r50.py', 'retinanet/retinanet_r101_r50.py with --method pkd'),
        ('../configs/_base_/pairs/gfl_r50_r18_1x.py', '../configs/gfl/gfl_r50_r18_1x.py'),
    ):
        with pytest.raises(FileNotFoundError) as error:
            read_config(path, 'the config')
        assert str(error.value) == f'{path} has moved: use {new}'


@pytest.mark.parametrize(
    'path',
    [
        'configs/foo.py',
        'configs/foo_retinanet_r101_r50.py',
        'configs/pkd_foo_r50.py',
        'elsewhere/pkd_retinanet_r101_r50.py',
        'configs/_base_/pairs/foo.py',
        'configs/_base_/foo.py',
        'configs',
        'mmdet::foo/foo.py',
    ],
)
def test_other_paths_are_not_there(root, monkeypatch, path):
    monkeypatch.chdir(root)
    with pytest.raises(FileNotFoundError, match=f'^the config must be a config file or a .*, but {path} is not there'):
        read_config(path, 'the config')


@pytest.mark.parametrize('base', ['foo.py', 'mmdet::foo/foo.py'])
def test_a_base_that_is_not_there_is_named(tmp_path, base):
    (tmp_path / 'own.py').write_text(f"_base_ = '{base}'\n")
    with pytest.raises(
        FileNotFoundError, match='the config .*own.py must find every file that it needs, but .*foo.py is not there'
    ):
        read_config(str(tmp_path / 'own.py'), 'the config')
