"""The files of methods."""

import dataclasses

import pytest
from detectors import tiny
from mmdet.registry import MODELS as DETECTORS
from mmengine.config import ConfigDict
from mmrazor.registry import MODELS

from mmfmkt.models.flows.pyramid_flow import find_flows
from mmfmkt.pairing.method import PLACES, Method, method_names, read_method
from mmfmkt.pairing.pair import pair_config
from mmfmkt.pairing.short_form import trained_architecture

STATED = {  # where the flow of a method stands
    'fmkt': 'neck',
    'ofmkt': 'neck',
    'fmkt-feature-logit': 'neck',
    'fmkt-logit': 'head',
    'fmkt-theta': 'connector',
    'ofmkt-theta': 'connector',
    'fmkt-logit-theta': 'head_connector',
}
LOSS = "distiller = dict(distill_losses=dict(loss=dict(type='mmrazor.FMKTLoss'))"


def written(tmp_path, text):
    file = tmp_path / 'own.py'
    file.write_text(text)
    return str(file)


@pytest.mark.parametrize('name', method_names())
def test_a_method_states_where_its_flow_stands(name):
    method = read_method(name)
    assert method.place == STATED.get(name) and (method.flow is None) == (name not in STATED)
    assert method.deploys_flow == (method.place in ('neck', 'head'))


def test_a_method_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        read_method('fmkt').place = 'head'


def test_filling_in_a_pair_changes_no_method(retinanet, teacher_ckpt, monkeypatch):
    method = read_method('fmkt-theta')
    before = repr(method)
    monkeypatch.setattr('mmfmkt.pairing.pair.read_method', lambda name: method)
    pair_config(retinanet, retinanet, teacher_ckpt, flow=dict(num_steps=7))
    assert repr(method) == before


def test_a_place_that_is_not_stated_is_the_connector_called_flow_or_the_neck(tmp_path):
    connector = ", connectors=dict(flow=dict(type='mmrazor.FlowConnector', flow=dict(num_steps=3)))"
    beside = read_method(written(tmp_path, f'{LOSS}{connector})\n'))
    assert beside.place == 'connector' and beside.flow == dict(num_steps=3)
    inside = read_method(written(tmp_path, f'{LOSS})\nflow = dict(num_steps=2)\n'))
    assert inside.place == 'neck' and inside.flow == dict(num_steps=2)


@pytest.mark.parametrize(
    'place, message',
    [
        ('body', f"`place` of a method must be one of {', '.join(PLACES)}, but that of .* is 'body'"),
        ('connector', "and only then, but .* has 'connector' with no such a connector"),
        ('head_connector', "and only then, but .* has 'head_connector' with no such a connector"),
    ],
)
def test_a_place_that_there_is_not_is_refused(tmp_path, place, message):
    with pytest.raises(ValueError, match=message):
        read_method(written(tmp_path, f"{LOSS})\nflow = dict()\nplace = '{place}'\n"))


def test_a_place_without_a_flow_is_refused(tmp_path):
    with pytest.raises(ValueError, match="a method with `place` must have a `flow`, but .* has 'neck' and no flow"):
        read_method(written(tmp_path, f"{LOSS})\nplace = 'neck'\n"))


def test_a_flow_without_a_meta_encoder_is_refused(tmp_path, retinanet):
    method = written(
        tmp_path, f'{LOSS.replace("dict(distill", "dict(teacher_recorders=None, distill")})\nflow = dict(num_steps=2)\n'
    )
    with pytest.raises(ValueError, match="a flow must have `meta_encoder`, .* but got {'num_steps': 2}"):
        pair_config(retinanet, method=method)


@pytest.mark.parametrize('setting', [dict(levels=[0]), dict(shared=False)])
def test_what_the_head_decides_cannot_be_set_for_a_flow_beside_it(retinanet, teacher_ckpt, setting):
    with pytest.raises(
        ValueError, match='the flow of fmkt-logit-theta must have no (levels|shared), because it runs alike'
    ):
        pair_config(retinanet, retinanet, teacher_ckpt, 'fmkt-logit-theta', flow=setting)


def test_a_method_without_a_loss_is_refused(tmp_path):
    with pytest.raises(ValueError, match='the distiller of a method must have a loss, but that of .* has none'):
        read_method(written(tmp_path, "distiller = dict(type='mmrazor.ConfigurableDistiller')\n"))


def test_the_plain_student_has_nothing():
    assert read_method('student') == Method('student')


def test_two_flows_are_set_apart_and_both_are_deployed(retinanet, teacher_ckpt):
    settings = dict(method='fmkt-feature-logit', flow=dict(num_steps=2), head_flow=dict(num_steps=3))
    model = MODELS.build(ConfigDict(pair_config(retinanet, retinanet, teacher_ckpt, **settings)))
    assert [flow.num_steps for flow in find_flows(model.architecture)] == [(2,), (3,)]
    flow = dict(settings['flow'], levels=[0, 1, 2])
    short = dict(architecture=retinanet, **dict(settings, flow=flow))
    deployed = DETECTORS.build(trained_architecture(short, teacher_ckpt))
    student = {key: value for key, value in model.state_dict().items() if not key.startswith('distiller.')}
    deployed.load_state_dict(student, strict=True)


def test_a_flow_that_the_method_does_not_have_is_refused(retinanet, teacher_ckpt):
    with pytest.raises(
        ValueError, match='`head_flow` must be set for a method that has one, fmkt-feature-logit, but .* for fmkt;'
    ):
        pair_config(retinanet, retinanet, teacher_ckpt, 'fmkt', head_flow=dict(num_steps=3))


def test_a_logit_method_that_does_not_fit_is_refused_with_those_that_do(retinanet, teacher_ckpt):
    other = dict(
        retinanet,
        bbox_head=dict(
            retinanet.bbox_head, anchor_generator=dict(retinanet.bbox_head.anchor_generator, ratios=[0.5, 1.5])
        ),
    )
    with pytest.raises(
        ValueError, match='fmkt-logit does not: .*anchors a location, 2 and 4. .*, fmkt, fmkt-theta, mgd'
    ):
        pair_config(retinanet, other, teacher_ckpt, 'fmkt-logit')


@pytest.mark.parametrize(
    'family, reason',
    [
        ('autoassign', 'AutoAssignHead does not call it'),
        ('free_anchor', 'FreeAnchorRetinaHead does not call it'),
        ('centernet_update', 'CenterNetUpdateHead gives it probabilities'),
        ('ddod', 'DDODHead weighs what it returns, level by level'),
        ('fsaf', 'FSAFHead chooses levels by what it returns'),
        ('paa', 'PAAHead calls it for each image'),
    ],
)
def test_heads_whose_task_loss_cannot_be_repeated_are_refused_where_that_is_done(family, reason):
    detector = DETECTORS.build(tiny(family))
    for method in ('fmkt-logit', 'fmkt-feature-logit'):
        assert (
            read_method(method).misfit(detector, detector)
            == f'StepTaskLoss repeats the call of a `loss_cls`, but {reason}'
        )
    assert read_method('fmkt-logit-theta').misfit(detector, detector) is None
