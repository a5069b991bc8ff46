import pytest
import torch

from mmfmkt.models import FlowTransform

META_ENCODER = dict(type='mmrazor.LightMetaEncoder', channels=8)


def test_transports_the_chosen_levels_alone():
    pyramid = [torch.randn(1, 8, size, size) for size in (8, 4, 2)]
    trajectories = FlowTransform(META_ENCODER, levels=(0, 2), num_steps=3)(pyramid)
    assert sorted(trajectories) == [0, 2]
    assert torch.equal(trajectories[2].source, pyramid[2]) and len(trajectories[2].endpoints) == 3


def test_levels_do_not_share_parameters():
    flow = FlowTransform(META_ENCODER, levels=(0, 1))
    assert not {id(p) for p in flow.meta_encoders[0].parameters()} & {id(p) for p in flow.meta_encoders[1].parameters()}


@pytest.mark.parametrize('levels', [(), (0, 0), (-1, )])
def test_levels_that_are_no_levels_are_refused(levels):
    with pytest.raises(ValueError, match='`levels` must list different levels'):
        FlowTransform(META_ENCODER, levels=levels)


@pytest.mark.parametrize('num_steps', [0, -1, 1.5])
def test_less_than_one_step_is_refused(num_steps):
    with pytest.raises(ValueError, match=f'`num_steps` must be an integer of at least 1, but got {num_steps}'):
        FlowTransform(META_ENCODER, levels=(0, ), num_steps=num_steps)


def test_a_level_that_the_pyramid_lacks_is_refused():
    with pytest.raises(ValueError, match='which has 1 .*but got \\[0, 3\\]'):
        FlowTransform(META_ENCODER, levels=(0, 3))([torch.randn(1, 8, 4, 4)])
