"""The short form of a config."""

import pytest
import torch
from detectors import batch_for, tiny
from helpers import wake
from mmdet.registry import MODELS as DETECTORS
from mmengine.config import Config
from mmrazor.registry import MODELS

from mmfmkt.deploy.detector import deployed_config
from mmfmkt.engine.add_hooks import add_distillation_hooks
from mmfmkt.pairing.short_form import flow_settings, trained_architecture, write_out

FLOW_METHODS = ('fmkt', 'fmkt-theta', 'ofmkt', 'ofmkt-theta')


def short_form(method, tmp_path, **settings):
    return Config(
        dict(
            model=dict(
                type='mmrazor.FMKTPair',
                architecture=tiny('retinanet'),
                teacher=tiny('gfl'),
                teacher_ckpt=str(tmp_path / 'gfl.pth'),
                method=method,
                **settings,
            ),
            optim_wrapper=dict(type='OptimWrapper'),
        )
    )


@pytest.mark.parametrize('method', FLOW_METHODS)
def test_the_short_form_and_what_it_is_written_out_to_are_the_same_model(method, tmp_path):
    torch.save(DETECTORS.build(tiny('gfl')).state_dict(), tmp_path / 'gfl.pth')
    cfg = short_form(method, tmp_path)
    torch.manual_seed(0)
    short = MODELS.build(cfg.model)
    torch.manual_seed(0)
    written = write_out(cfg)
    torch.manual_seed(0)
    assert list(short.state_dict()) == list(MODELS.build(written.model).state_dict())
    assert written.optim_wrapper.clip_grad.max_norm == 35 and 'clip_grad' not in cfg.optim_wrapper


def test_a_pure_python_config_may_say_that_it_begins_anew(tmp_path):
    """`_delete_=True` stays in a config that was read with `read_base`, which has nothing to inherit here."""
    torch.save(DETECTORS.build(tiny('gfl')).state_dict(), tmp_path / 'gfl.pth')
    cfg = short_form('fmkt-theta', tmp_path, _delete_=True)
    assert '_delete_' not in write_out(cfg).model


@pytest.mark.parametrize('clip_grad', [dict(max_norm=0.1), None])
def test_what_a_config_says_of_clipping_stays(tmp_path, clip_grad):
    cfg = short_form('fmkt', tmp_path)
    cfg.optim_wrapper.clip_grad = clip_grad
    assert write_out(cfg).optim_wrapper.clip_grad == clip_grad


@pytest.mark.parametrize('method', FLOW_METHODS)
def test_the_deployed_detector_of_a_short_form_is_known_without_its_teacher(method, tmp_path):
    torch.save(DETECTORS.build(tiny('gfl')).state_dict(), tmp_path / 'gfl.pth')
    flow = dict(levels=[1, 3], meta_encoder=dict(type='mmrazor.MLPMetaEncoder'), num_steps=2)
    cfg = short_form(method, tmp_path, flow=flow)
    model = MODELS.build(write_out(cfg).model)
    wake(model)
    student = {key: value for key, value in model.state_dict().items() if not key.startswith('distiller.')}
    torch.save(dict(state_dict=student, meta=dict(flow_levels=[1, 3])), tmp_path / 'epoch_1.pth')
    cfg.model.teacher, cfg.model.teacher_ckpt = 'nowhere.py', 'nowhere.pth'
    del cfg.model.flow['levels']
    cfg.custom_imports = dict(imports=['mmfmkt'])
    add_distillation_hooks(cfg)
    deployed = DETECTORS.build(deployed_config(cfg, str(tmp_path / 'epoch_1.pth')).model)
    deployed.load_state_dict(student, strict=True)
    images = batch_for('retinanet')[0]
    for own, other in zip(model.eval().architecture.extract_feat(images), deployed.eval().extract_feat(images)):
        assert torch.equal(own, other)


VP = dict(type='mmrazor.VPODE')


@pytest.mark.parametrize('method, place', [('fmkt', 'neck'), ('fmkt-logit', 'head')])
def test_the_deployed_flow_has_the_settings_that_it_was_trained_with_unless_the_config_states_others(
    method, place, tmp_path
):
    torch.save(DETECTORS.build(tiny('retinanet')).state_dict(), tmp_path / 'teacher.pth')
    cfg = short_form(method, tmp_path, flow=dict(num_steps=8, schedule=VP))
    cfg.model.teacher, cfg.model.teacher_ckpt = tiny('retinanet'), str(tmp_path / 'teacher.pth')
    settings = flow_settings(write_out(cfg).model)
    assert settings == {place: dict(num_steps=8, schedule=VP)}
    meta = dict(flow_levels=[0, 1, 2, 3], flow_settings=settings)
    torch.save(dict(state_dict=dict(weight=torch.zeros(1)), meta=meta), tmp_path / 'epoch_1.pth')

    def deployed(**stated):
        model = trained_architecture(short_form(method, tmp_path, flow=stated).model, str(tmp_path / 'epoch_1.pth'))
        flow = model['neck' if place == 'neck' else 'bbox_head']['flow']
        return flow['num_steps'], flow.get('schedule')

    assert deployed() == (8, VP) and deployed(num_steps=2) == (2, VP)


def test_weights_without_the_flow_that_the_variant_deploys_are_refused(tmp_path):
    torch.save(DETECTORS.build(tiny('retinanet')).state_dict(), tmp_path / 'plain.pth')
    with pytest.raises(ValueError, match='must name the levels of its flow, of .*, but .*plain.pth names none'):
        trained_architecture(short_form('fmkt', tmp_path).model, str(tmp_path / 'plain.pth'))


def test_a_checkpoint_of_the_last_version_has_the_levels_in_its_weights(tmp_path):
    torch.save(DETECTORS.build(tiny('gfl')).state_dict(), tmp_path / 'gfl.pth')
    model = MODELS.build(write_out(short_form('fmkt', tmp_path, flow=dict(levels=[1, 3]))).model)
    torch.save(model.architecture.state_dict(), tmp_path / 'old.pth')
    architecture = trained_architecture(short_form('fmkt', tmp_path).model, str(tmp_path / 'old.pth'))
    assert architecture['neck']['flow']['levels'] == (1, 3)


def test_levels_that_the_student_does_not_have_are_refused_with_those_it_has(tmp_path):
    torch.save(DETECTORS.build(tiny('retinanet')).state_dict(), tmp_path / 'plain.pth')
    with pytest.raises(ValueError, match=r'of \[0, 1, 2, 3, 4\], but .*plain.pth names \[7\]'):
        trained_architecture(short_form('fmkt', tmp_path, flow=dict(levels=[7])).model, str(tmp_path / 'plain.pth'))
