"""`--method`, and the name of the folder of a run."""

import argparse

import pytest

from mmfmkt.cli.arguments import add_method_argument, add_training_arguments, load_config, read_with_method, run_name

PAIR = 'configs/retinanet/retinanet_r101_r50.py'


@pytest.fixture
def load(root, monkeypatch):
    """The config that tools/train.py makes of its arguments, started at the root of the project."""
    monkeypatch.chdir(root)

    def of(*arguments):
        parser = argparse.ArgumentParser()
        parser.add_argument('config')
        add_method_argument(parser)
        add_training_arguments(parser)
        return load_config(parser.parse_args(arguments))

    return of


@pytest.mark.parametrize(
    'config, method, folder',
    [
        (PAIR, 'pkd', 'pkd_retinanet_r101_r50'),
        (PAIR, 'fmkt-theta', 'fmkt-theta_retinanet_r101_r50'),
        ('configs/fmkt_retinanet_r101_r50.py', 'pkd', 'pkd_retinanet_r101_r50'),
        ('configs/fmkt-theta_retinanet_r101_r50.py', 'fmkt-theta', 'fmkt-theta_retinanet_r101_r50'),
        ('configs/demo/pair.py', 'cwd', 'cwd_pair'),
        (PAIR, 'configs/_base_/methods/mgd.py', 'mgd_retinanet_r101_r50'),
    ],
)
def test_the_method_is_set_and_names_the_folder_by_either_option(load, config, method, folder):
    for options in (
        ('--method', method),
        ('--cfg-options', f'model.method={method}'),
        ('--method', method, '--cfg-options', f'model.method={method}'),
    ):
        cfg = load(config, *options)
        assert cfg.model.method == method
        assert cfg.work_dir == f'work_dirs/{folder}'


def test_without_a_method_the_folder_has_the_name_of_the_config(load):
    assert load(PAIR).work_dir == 'work_dirs/retinanet_r101_r50'
    assert load('configs/fmkt_retinanet_r101_r50.py').work_dir == 'work_dirs/fmkt_retinanet_r101_r50'
    assert load(PAIR, '--method', 'pkd', '--work-dir', 'here').work_dir == 'here'


def test_other_options_stay(load):
    cfg = load(PAIR, '--method', 'cwd', '--cfg-options', 'model.loss.loss_weight=5')
    assert cfg.model.method == 'cwd' and cfg.model.loss.loss_weight == 5


@pytest.mark.parametrize(
    'arguments, error, message',
    [
        (
            (PAIR, '--method', 'foo'),
            ValueError,
            "`method` must be one of .*crosskd, cwd, .*, student, .* but got 'foo'",
        ),
        ((PAIR, '--method', 'foo.py'), FileNotFoundError, '`method` must be a config file .* foo.py is not there'),
        (
            ('configs/demo/retinanet_r18.py', '--method', 'pkd'),
            ValueError,
            r'--method must be given with a pair, .*FMKTPair.* but got pkd for a model of type RetinaNet; '
            'for the configs of two detectors there is tools/distill.py STUDENT TEACHER CHECKPOINT --method pkd',
        ),
        (
            ('configs/demo/retinanet_r18.py', '--cfg-options', 'model.method=pkd'),
            ValueError,
            'must be given with a pair, .* but got pkd for a model of type RetinaNet',
        ),
        (
            (PAIR, '--method', 'pkd', '--cfg-options', 'model.method=cwd'),
            ValueError,
            '--method and --cfg-options model.method must not differ, but got pkd and cwd; one of them is enough',
        ),
    ],
)
def test_a_method_that_cannot_be_is_refused(load, arguments, error, message):
    with pytest.raises(error, match=message):
        load(*arguments)


def test_a_config_that_is_no_method_s_keeps_its_name():
    assert run_name('mgd', 'retinanet_r101_r50') == 'mgd_retinanet_r101_r50'
    assert run_name('mgd', 'fgd') == 'mgd_fgd'
    assert run_name('/my/at.py', 'my_pair') == 'at_my_pair'


def test_tools_that_read_what_a_run_has_left_take_its_method_too(root, monkeypatch):
    monkeypatch.chdir(root)
    parser = argparse.ArgumentParser()
    parser.add_argument('config')
    add_method_argument(parser)
    assert read_with_method(parser.parse_args([PAIR, '--method', 'fmkt'])).model.method == 'fmkt'
    assert 'method' not in read_with_method(parser.parse_args([PAIR])).model
    with pytest.raises(ValueError, match='`method` must be one of .* but got .foo'):
        read_with_method(parser.parse_args([PAIR, '--method', 'foo']))
    with pytest.raises(ValueError, match='--method must be given with a pair'):
        read_with_method(parser.parse_args(['configs/demo/retinanet_r18.py', '--method', 'pkd']))
