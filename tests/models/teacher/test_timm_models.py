"""The weights of timm's networks, and what is said without them."""

import importlib
import sys
from importlib.metadata import version

import pytest
import torch
from stand_in_timm import SMALL

from mmfmkt.models import TimmTeacher
from mmfmkt.models.teacher import timm_models

VIT, _, PYRAMID = SMALL.values()


def loaded(name, checkpoint):
    """The weights of a teacher that has those of a file."""
    torch.manual_seed(0)
    teacher = TimmTeacher(name)
    teacher.load(checkpoint)
    return teacher.backbone.network.state_dict()


@pytest.mark.parametrize('name', [VIT, PYRAMID])
@pytest.mark.parametrize('classes', [None, 0, 7])
def test_weights_are_those_of_the_file_whatever_the_classifier_is(timm, save_timm_weights, name, classes):
    checkpoint = save_timm_weights(name, classes)
    of_file, weights = torch.load(checkpoint), loaded(name, checkpoint)
    assert len(weights) > 10 and all(torch.equal(value, of_file[key]) for key, value in weights.items())


def test_a_file_of_safetensors_is_read(timm, save_timm_weights, tmp_path):
    safetensors = pytest.importorskip('safetensors.torch')
    of_file = torch.load(save_timm_weights(VIT))
    safetensors.save_file(of_file, tmp_path / 'vit.safetensors')
    weights = loaded(VIT, str(tmp_path / 'vit.safetensors'))
    assert all(torch.equal(value, of_file[key]) for key, value in weights.items())
    (tmp_path / 'vit.safetensors').write_bytes(b'nothing')
    with pytest.raises(ValueError, match=r'`teacher_ckpt` .*vit.safetensors could not be read; it is damaged'):
        loaded(VIT, str(tmp_path / 'vit.safetensors'))


def test_weights_of_another_network_are_refused_with_the_keys(timm, save_timm_weights):
    with pytest.raises(ValueError) as error:
        loaded(PYRAMID, save_timm_weights(VIT))
    said = str(error.value)
    assert f'{VIT}.pth does not belong to' in said and f'Give the weights of {PYRAMID}' in said
    assert 'keys missing from the checkpoint: ' in said and 'keys unknown to the detector: ' in said


def test_weights_that_are_not_finite_are_refused(timm, save_timm_weights):
    checkpoint = save_timm_weights(VIT)
    weights = torch.load(checkpoint)
    name = next(iter(weights))
    torch.save({**weights, name: weights[name] * torch.nan}, checkpoint)
    with pytest.raises(ValueError, match=f'must have weights that are finite, but {name} are not'):
        loaded(VIT, checkpoint)


@pytest.mark.parametrize(
    'checkpoint, kind, said',
    [
        (None, ValueError, "a file or an address of the weights of .*, or 'timm' for .* but got None"),
        ('nowhere.pth', FileNotFoundError, '`teacher_ckpt` must be a file or an address, but nowhere.pth is none'),
        ('nowhere.safetensors', FileNotFoundError, 'but nowhere.safetensors is none'),
    ],
)
def test_a_checkpoint_that_is_not_there_is_refused(timm, checkpoint, kind, said):
    with pytest.raises(kind, match=said):
        loaded(VIT, checkpoint)


def test_nothing_is_fetched_before_weights_are_loaded(timm, monkeypatch):
    calls, create_model = [], timm.create_model
    monkeypatch.setattr(timm, 'create_model', lambda *args, **rest: calls.append(rest) or create_model(*args, **rest))
    TimmTeacher(VIT)
    assert [call.get('pretrained', False) for call in calls] == [False]


def test_the_weights_that_timm_names_are_asked_of_timm(timm, monkeypatch):
    calls, create_model = [], timm.create_model

    def create(name, pretrained=False, **rest):
        network = create_model(name, **rest)
        if pretrained:
            calls.append((name, rest))
            for value in network.state_dict().values():
                value.fill_(0.25)
        return network

    monkeypatch.setattr(timm, 'create_model', create)
    weights = loaded('resnet18.a1_in1k', 'timm')
    assert calls == [('resnet18.a1_in1k', {})]
    assert all((value == torch.tensor(0.25).to(value.dtype)).all() for value in weights.values())


def test_timm_looks_for_them_in_its_own_repository(monkeypatch):
    timm = pytest.importorskip('timm')
    published, asked = timm.create_model('resnet18').state_dict(), []

    def fetch(name, *args, **settings):
        asked.append(name)
        return dict(published)

    monkeypatch.setattr(importlib.import_module('timm.models._builder'), 'load_state_dict_from_hf', fetch)
    weights = loaded('resnet18.a1_in1k', 'timm')
    assert asked == ['timm/resnet18.a1_in1k']
    assert all(torch.equal(value, published[key]) for key, value in weights.items())


def test_the_files_of_authors_are_turned_into_timms_format():
    """DINOv2's has a token for masked patches, which a teacher does not read."""
    timm = pytest.importorskip('timm')
    name = SMALL['patch14']
    weights = timm.create_model(name).state_dict()
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(timm_models, 'read_file', lambda path: dict(weights, mask_token=torch.zeros(1, 384)))
        assert all(torch.equal(value, weights[key]) for key, value in loaded(name, 'dinov2_vits14.pth').items())


def test_a_network_that_timm_loads_loosely_is_loaded_strictly(save_timm_weights, timm):
    if not hasattr(timm, '__version__'):
        pytest.skip('the stand-in has no such network')
    checkpoint = save_timm_weights('dla34')
    assert loaded('dla34', checkpoint)
    weights = torch.load(checkpoint)
    torch.save({key: value for key, value in weights.items() if 'level5' not in key}, checkpoint)
    with pytest.raises(ValueError, match='keys missing from the checkpoint: level5'):
        loaded('dla34', checkpoint)


def test_weights_that_cannot_be_fetched_or_do_not_exist_are_refused(timm, monkeypatch):
    create_model = timm.create_model

    def create(name, pretrained=False, **settings):
        if pretrained:
            raise OSError('no route to host')
        return create_model(name, **settings)

    monkeypatch.setattr(timm, 'create_model', create)
    with pytest.raises(ConnectionError, match=r'could not be fetched \(OSError: no route to host\); download them'):
        loaded(PYRAMID, 'timm')
    with pytest.raises(ValueError, match="timm names no weights of densenet264d, but got 'timm'"):
        loaded('densenet264d', 'timm')


@pytest.mark.parametrize('cuda, index', [(None, f' --extra-index-url {timm_models.CPU_INDEX}'), ('13.0', '')])
def test_without_timm_the_error_has_the_command_that_leaves_pytorch_as_it_is(monkeypatch, cuda, index):
    monkeypatch.setitem(sys.modules, 'timm', None)
    monkeypatch.setattr(torch.version, 'cuda', cuda)
    with pytest.raises(ImportError, match='must find timm, .* but got ModuleNotFoundError') as error:
        TimmTeacher(VIT)
    assert str(error.value).endswith(f'pip install timm torch=={version("torch")}{index}')


def test_a_torchvision_of_another_pytorch_is_told_with_the_remedy(monkeypatch, tmp_path):
    (tmp_path / 'timm.py').write_text("raise RuntimeError('operator torchvision::nms does not exist')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, 'timm', raising=False)
    said = rf'the torchvision that belongs to torch {torch.__version__.split("+")[0]}.*torchvision::nms does not exist'
    with pytest.raises(ImportError, match=said):
        TimmTeacher(VIT)
