import copy

import pytest
import torch
from helpers import wake
from mmdet.registry import MODELS
from mmengine.runner.checkpoint import get_state_dict, load_state_dict


@pytest.fixture
def plain(retinanet):
    torch.manual_seed(0)
    return MODELS.build(retinanet)


@pytest.fixture
def transported(retinanet, flow):
    torch.manual_seed(2)
    return MODELS.build(dict(retinanet, neck=dict(type='mmdet.FlowNeck', neck=retinanet.neck, flow=flow)))


def test_state_dict_is_the_plain_students_and_the_flow(plain, transported):
    keys = list(transported.state_dict())
    assert [key for key in keys if not key.startswith('neck.flow.')] == list(plain.state_dict())
    assert len([key for key in keys if key.startswith('neck.flow.')]) > 0
    assert keys == list(get_state_dict(transported))


def test_loads_a_plain_student_and_starts_as_it(plain, transported, batch):
    missing, unexpected = transported.load_state_dict(plain.state_dict(), strict=False)
    assert not unexpected and all(key.startswith('neck.flow.') for key in missing)
    expected, features = plain.extract_feat(batch[0]), transported.extract_feat(batch[0])
    assert len(features) == len(expected) == 3
    for feature, plain_feature in zip(features, expected):
        assert torch.equal(feature, plain_feature)


@pytest.mark.parametrize('load', [lambda m, s: m.load_state_dict(s), lambda m, s: load_state_dict(m, s, strict=True)])
def test_state_dict_survives_a_round_trip(transported, batch, load):
    wake(transported, std=0.1)
    other = copy.deepcopy(transported)
    torch.manual_seed(3)
    for parameter in other.parameters():
        torch.nn.init.normal_(parameter)
    load(other, transported.state_dict())
    for feature, expected in zip(other.eval().extract_feat(batch[0]), transported.eval().extract_feat(batch[0])):
        assert torch.equal(feature, expected)


def test_heads_read_the_output_of_the_flow(transported, batch):
    wake(transported, std=0.1)
    backbone_features = transported.backbone(batch[0])
    trajectories = transported.neck.flow(transported.neck.neck(backbone_features))
    for level, feature in enumerate(transported.neck(backbone_features)):
        assert torch.equal(feature, trajectories[level].output)


def test_levels_outside_the_flow_pass_through(retinanet, flow, batch):
    neck = MODELS.build(dict(type='mmdet.FlowNeck', neck=retinanet.neck, flow=dict(flow, levels=(1,))))
    wake(neck)
    inputs = [torch.randn(1, channels, 8, 8) for channels in retinanet.neck.in_channels]
    neck.eval()
    changed = [not torch.equal(a, b) for a, b in zip(neck(inputs), neck.neck(inputs))]
    assert changed == [False, True, False]
