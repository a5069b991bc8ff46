import pytest
import torch
from commands import ROOT
from detectors import tiny
from mmdet.registry import MODELS
from mmengine.config import Config

from mmfmkt.common.building import own_copy
from mmfmkt.deploy.detector import deployed_config
from mmfmkt.deploy.export import export_student, in_half


def test_weights_in_float16_take_half_the_space_and_load_into_the_detector(tmp_path):
    torch.manual_seed(0)
    cfg = Config.fromfile(ROOT / 'configs/demo/retinanet_r18.py')
    detector = MODELS.build(cfg.model)
    torch.save(dict(state_dict=detector.state_dict(), meta=dict(epoch=3)), tmp_path / 'trained.pth')
    sizes = {}
    for half in (False, True):
        file = export_student(cfg, str(tmp_path / 'trained.pth'), str(tmp_path / f'{half}.pth'), half=half)[1]
        sizes[half] = file.stat().st_size
    assert sizes[True] < 0.55 * sizes[False]
    written = torch.load(tmp_path / 'True.pth', weights_only=False)
    assert written['meta']['epoch'] == 3
    assert {value.dtype for value in written['state_dict'].values()} == {torch.float16, torch.int64}
    detector.load_state_dict(written['state_dict'])
    assert {parameter.dtype for parameter in detector.parameters()} == {torch.float32}


def test_a_preprocessor_that_stands_beside_the_model_is_deployed_with_it():
    cfg = Config.fromfile(ROOT / 'configs/demo/retinanet_r18.py')
    cfg.data_preprocessor = cfg.model.pop('data_preprocessor')
    for model in (cfg.model, dict(type='mmrazor.FMKTPair', architecture=cfg.model, method='fmkt-theta')):
        deployed = deployed_config(Config(dict(cfg, model=model)))
        assert deployed.model.data_preprocessor == cfg.data_preprocessor


def test_weights_that_float16_cannot_hold_are_refused():
    with pytest.raises(ValueError, match='must be below 65504 for float16, but are not in large'):
        in_half(dict(small=torch.ones(1), large=torch.tensor([1e5])))


def test_a_name_with_a_dot_keeps_what_stands_behind_it(tmp_path):
    cfg = Config.fromfile(ROOT / 'configs/demo/retinanet_r18.py')
    torch.save(dict(state_dict=MODELS.build(cfg.model).state_dict(), meta={}), tmp_path / 'trained.pth')
    written = export_student(cfg, str(tmp_path / 'trained.pth'), str(tmp_path / 'lr0.01'))
    assert [file.name for file in written] == ['lr0.01.py', 'lr0.01.pth']
    assert all(file.is_file() for file in written)


def test_a_detector_that_reads_proposals_is_exported(tmp_path):
    model = tiny('faster_rcnn')
    model.pop('rpn_head')
    cfg = Config(dict(model=dict(model, type='FastRCNN')))
    torch.save(dict(state_dict=MODELS.build(own_copy(cfg.model)).state_dict(), meta={}), tmp_path / 'trained.pth')
    assert all(file.is_file() for file in export_student(cfg, str(tmp_path / 'trained.pth'), str(tmp_path / 'fast')))
