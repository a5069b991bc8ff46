import contextlib
import io
import runpy
import shutil
import sys

import cv2
import pytest
import torch
from commands import ROOT, refused
from matplotlib.figure import Figure
from mmengine.config import Config
from mmrazor.registry import MODELS

from mmfmkt.cli import pictures
from mmfmkt.cli.pictures import default_folder, load_distillation
from mmfmkt.deploy.detector import DISTILLER
from mmfmkt.models import FMKTDistill
from mmfmkt.pairing.auxiliary_head import WEIGHTS

TOOL = 'visualize_flow.py'


@pytest.fixture(scope='module')
def finished(make_config, tmp_path_factory):
    """Name of a demo config -> its file, and a checkpoint as training leaves it."""
    kept = {}

    def finish(name):
        if name not in kept:
            torch.manual_seed(0)
            config = make_config(name)
            weights = MODELS.build(Config.fromfile(config).model).state_dict()
            parts = dict(
                state_dict={key: value for key, value in weights.items() if not key.startswith(DISTILLER)},
                distiller={key: value for key, value in weights.items() if key.startswith(DISTILLER)},
            )
            checkpoint = tmp_path_factory.mktemp(name) / 'epoch_1.pth'
            torch.save(parts, checkpoint)
            kept[name] = config, checkpoint
        return kept[name]

    return finish


def draw(monkeypatch, *arguments):
    """What the tool prints, run in this process."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, 'argv', [TOOL, *map(str, arguments)])
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        runpy.run_path(str(ROOT / 'tools' / TOOL), run_name='__main__')
    return printed.getvalue()


def test_the_flow_of_theta_is_loaded_from_the_part_of_the_checkpoint_that_is_not_deployed(finished):
    config, checkpoint = finished('fmkt-theta')
    expected = torch.load(checkpoint)['distiller']
    loaded = load_distillation(Config.fromfile(config), str(checkpoint)).state_dict()
    assert any('meta_encoders' in key for key in expected) and all(
        torch.equal(loaded[key], expected[key]) for key in expected
    )


def test_a_flow_that_was_trained_with_an_auxiliary_head_is_drawn_without_it(finished, tmp_path):
    config, checkpoint = finished('fmkt-theta')
    content = torch.load(checkpoint)
    content['distiller'][f'{WEIGHTS}head.weight'] = torch.zeros(1)
    torch.save(content, tmp_path / 'with_head.pth')
    loaded = load_distillation(Config.fromfile(config), str(tmp_path / 'with_head.pth')).state_dict()
    assert not any(key.startswith(WEIGHTS) for key in loaded)


def test_the_tool_draws_images_of_the_validation_set_and_others(finished, digits, tmp_path, monkeypatch):
    unknown = shutil.copy(digits / 'val' / '000001.jpg', tmp_path / 'unknown.jpg')
    config, checkpoint = finished('fmkt-theta')
    printed = draw(
        monkeypatch,
        config,
        checkpoint,
        digits / 'val' / '000002.jpg',
        unknown,
        '--out-dir',
        tmp_path / 'out',
        '--num-val-images',
        5,
        '--batch-size',
        2,
        '--num-steps',
        2,
    )
    expected = ['detections.png', 'errors.png', 'features_0_000002.png', 'features_1_unknown.png', 'paths.png']
    assert sorted(path.name for path in (tmp_path / 'out').iterdir()) == expected
    assert all(str(tmp_path / 'out' / name) in printed for name in expected)
    assert all(cv2.imread(str(tmp_path / 'out' / name)).std() > 10 for name in expected)


def test_without_images_the_first_of_the_validation_set_are_drawn_beside_the_checkpoint(finished, monkeypatch):
    config, checkpoint = finished('ofmkt')  # which has no teacher
    draw(monkeypatch, config, checkpoint, '--num-images', 1, '--num-val-images', 2)
    assert {path.name for path in default_folder(str(checkpoint)).iterdir()} >= {'features_0_000000.png', 'errors.png'}


def test_a_file_that_is_none_or_no_image_is_refused(finished, tmp_path, monkeypatch):
    config, checkpoint = finished('ofmkt')
    (tmp_path / 'text.jpg').write_text('no image')
    assert 'IMAGE must be a file, but nowhere.jpg is none' in refused(
        monkeypatch, TOOL, config, checkpoint, 'nowhere.jpg'
    )
    assert 'IMAGE must be an image' in refused(monkeypatch, TOOL, config, checkpoint, tmp_path / 'text.jpg')


def test_images_are_looked_at_in_batches_and_without_gradients(finished, digits, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(
        FMKTDistill, 'val_step', lambda self, data: seen.append((len(data['inputs']), torch.is_grad_enabled())) or []
    )
    monkeypatch.setattr(pictures, 'draw_validation', lambda *args: [])
    monkeypatch.setattr(pictures, 'detections_figure', lambda *args: Figure())
    files = [digits / 'val' / f'{number:06}.jpg' for number in range(3)]
    draw(monkeypatch, *finished('ofmkt'), *files, '--batch-size', 2, '--out-dir', tmp_path)
    assert seen == [(2, False), (1, False)]
    assert len(list(tmp_path.glob('features_[012]_00000[012].png'))) == 3


@pytest.mark.parametrize('option', ['--num-images', '--num-val-images', '--batch-size'])
def test_no_images_at_all_are_refused(finished, monkeypatch, option):
    assert f'{option} must be at least 1, but got 0' in refused(monkeypatch, TOOL, *finished('ofmkt'), option, 0)


@pytest.mark.parametrize(
    'name, got', [('pkd', r'loss_feature \(FeatureLoss\)'), ('retinanet_r18', 'RetinaNet without distillation')]
)
def test_a_method_without_a_flow_is_refused_with_those_that_have_one(make_config, finished, monkeypatch, name, got):
    _, checkpoint = finished('ofmkt')
    with pytest.raises(
        ValueError, match=f'(?s)must be of a method that has a flow.*but got {got}; take .* fmkt, fmkt-theta'
    ):
        load_distillation(Config.fromfile(make_config(name)), str(checkpoint))


def test_an_exported_student_is_refused(finished, tmp_path, monkeypatch):
    config, checkpoint = finished('fmkt-theta')
    torch.save(dict(state_dict=torch.load(checkpoint)['state_dict']), tmp_path / 'student.pth')
    message = refused(monkeypatch, TOOL, config, tmp_path / 'student.pth')
    assert (
        'distiller.connectors.flow' in message
        and 'Give a checkpoint that training with this config and method has left' in message
    )
