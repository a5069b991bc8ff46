from dataclasses import dataclass

import pytest
import torch
from helpers import wake

from mmfmkt.flow import VPODE, NoiseSchedule
from mmfmkt.models import PyramidFlow
from mmfmkt.models.flows.pyramid_flow import replace_levels

META_ENCODER = dict(type='mmrazor.LightMetaEncoder', channels=8)


def test_transports_the_chosen_levels_alone():
    pyramid = [torch.randn(1, 8, size, size) for size in (8, 4, 2)]
    trajectories = PyramidFlow(META_ENCODER, levels=(0, 2), num_steps=3)(pyramid)
    assert sorted(trajectories) == [0, 2]
    assert torch.equal(trajectories[2].source, pyramid[2]) and len(trajectories[2].endpoints) == 3


def test_levels_do_not_share_parameters():
    flow = PyramidFlow(META_ENCODER, levels=(0, 1))
    assert not {id(p) for p in flow.meta_encoders['0'].parameters()} & {
        id(p) for p in flow.meta_encoders['1'].parameters()
    }


@pytest.mark.parametrize('levels', [(), (0, 0), (-1,), 3, ['a'], (0, 1.5)])
def test_levels_that_are_no_levels_are_refused(levels):
    with pytest.raises(ValueError, match='`levels` must list different levels'):
        PyramidFlow(META_ENCODER, levels=levels)


@pytest.mark.parametrize('option', ['num_steps', 'inference_steps'])
@pytest.mark.parametrize('value', [0, -1, 1.5, True])
def test_less_than_one_step_is_refused(option, value):
    with pytest.raises(ValueError, match=f'`{option}` must be an integer of at least 1, but got {value}'):
        PyramidFlow(META_ENCODER, levels=(0,), **{option: value})


def test_an_empty_list_of_steps_is_refused():
    with pytest.raises(
        ValueError, match=r'`num_steps` must be an integer or a list of some, but got \[\], an empty list'
    ):
        PyramidFlow(META_ENCODER, levels=(0,), num_steps=[])


def test_a_list_of_steps_with_a_zero_is_refused():
    with pytest.raises(ValueError, match='`num_steps` must be an integer of at least 1, but got 0'):
        PyramidFlow(META_ENCODER, levels=(0,), num_steps=[4, 0])


@pytest.mark.parametrize(
    'option, wrong',
    [
        ('schedule', dict(type='mmrazor.Cosine')),
        ('schedule', dict()),
        ('schedule', dict(type='mmrazor.PKDLoss')),
        ('solver', dict(type='RungeKutta')),
    ],
)
def test_an_unknown_schedule_or_solver_is_refused_with_those_that_there_are(option, wrong):
    known = dict(schedule='mmrazor.RectifiedFlow, mmrazor.VEODE, mmrazor.VPODE', solver='mmrazor.EulerSolver')
    with pytest.raises(
        ValueError, match=f'`{option}` must be the config of a .*{known[option]}.*but got.*custom_imports'
    ):
        PyramidFlow(META_ENCODER, levels=(0,), **{option: wrong})


def test_a_schedule_that_is_not_hashable_is_refused():
    @dataclass
    class Mutable(NoiseSchedule):
        power: int = 2

    with pytest.raises(
        ValueError, match=r'`schedule` must be hashable, as a dataclass\(frozen=True\) is, but got .*Mutable'
    ):
        PyramidFlow(META_ENCODER, levels=(0,), schedule=Mutable())


def test_types_are_found_without_their_scope():
    flow = PyramidFlow(
        dict(META_ENCODER, type='LightMetaEncoder'), levels=(0,), schedule=dict(type='VPODE', beta_max=9.0)
    )
    assert flow.schedule == VPODE(beta_max=9.0)


@pytest.mark.parametrize('wrong', ['mmrazor.Transformer', 'mmrazor.PKDLoss'])
def test_what_is_no_meta_encoder_is_refused(wrong):
    with pytest.raises(
        ValueError, match='`meta_encoder` must be the config of a MetaEncoder.*mmrazor.SwinMetaEncoder, but'
    ):
        PyramidFlow(dict(type=wrong), levels=(0,))


def test_steps_are_drawn_anew_for_every_iteration_and_alike_for_all_levels():
    torch.manual_seed(0)
    flow = PyramidFlow(META_ENCODER, levels=(0, 1), num_steps=[1, 2, 4]).train()
    pyramid = [torch.randn(1, 8, 4, 4), torch.randn(1, 8, 2, 2)]
    drawn = [tuple(len(trajectory.endpoints) for trajectory in flow(pyramid).values()) for _ in range(40)]
    assert set(drawn) == {(1, 1), (2, 2), (4, 4)}


def test_draws_follow_the_seed():
    draws = []
    for _ in range(2):
        torch.manual_seed(5)
        flow = PyramidFlow(META_ENCODER, levels=(0,), num_steps=[1, 2, 4, 8]).train()
        draws.append([flow.draw_num_steps() for _ in range(10)])
    assert draws[0] == draws[1]


@pytest.mark.parametrize(
    'settings, steps',
    [(dict(num_steps=3), 3), (dict(num_steps=[1, 8, 2]), 8), (dict(num_steps=[1, 8], inference_steps=2), 2)],
)
def test_inference_takes_its_own_number_of_steps(settings, steps):
    flow = PyramidFlow(META_ENCODER, levels=(0,), **settings).eval()
    assert len(flow([torch.randn(1, 8, 4, 4)])[0].endpoints) == steps


@pytest.mark.parametrize('schedule', ['RectifiedFlow', 'VPODE', 'VEODE'])
@pytest.mark.parametrize('solver', ['EulerSolver', 'HeunSolver'])
def test_training_and_inference_give_the_same_output_at_the_same_steps(schedule, solver):
    flow = PyramidFlow(
        META_ENCODER, (0,), 4, schedule=dict(type=f'mmrazor.{schedule}'), solver=dict(type=f'mmrazor.{solver}')
    )
    wake(flow)
    pyramid = [torch.randn(2, 8, 6, 6)]
    in_training, at_inference = flow.train()(pyramid)[0], flow.eval()(pyramid)[0]
    assert torch.equal(in_training.output, at_inference.output)
    assert not torch.equal(in_training.output, pyramid[0])


def test_a_shared_meta_encoder_serves_all_levels():
    flow = PyramidFlow(META_ENCODER, levels=(0, 1, 2), shared=True)
    wake(flow)
    assert len(flow.meta_encoders) == 1
    feature = torch.randn(1, 8, 4, 4)
    outputs = [trajectory.output for trajectory in flow([feature] * 3).values()]
    assert torch.equal(outputs[0], outputs[1]) and torch.equal(outputs[0], outputs[2])


def test_a_level_that_the_pyramid_lacks_is_refused():
    with pytest.raises(ValueError, match='which has 1 .*but got \\[0, 3\\]'):
        PyramidFlow(META_ENCODER, levels=(0, 3))([torch.randn(1, 8, 4, 4)])


@pytest.mark.parametrize('encoder', ['Light', 'Conv', 'ConvNeXt', 'MLP', 'Swin'])
def test_a_flow_in_bfloat16_is_the_one_in_float32(encoder):
    """The state stays in float32, where small steps add up; only velocities are rounded."""
    torch.manual_seed(0)
    flow = PyramidFlow(dict(type=f'mmrazor.{encoder}MetaEncoder', channels=16), levels=(0,), num_steps=4)
    wake(flow, 0.1)
    feature = torch.randn(2, 16, 9, 6)
    expected = flow([feature])[0]
    flow.precision = 'bfloat16'
    found = flow([feature])[0]
    assert found.output.dtype == torch.float32 and {velocity.dtype for velocity in found.velocities} == {torch.bfloat16}
    moved = (expected.output - feature).norm()
    assert moved > 0.1 and (found.output - expected.output).norm() < 0.02 * moved
    flow.precision = 'float32'
    with torch.autocast('cpu', torch.bfloat16):
        assert torch.equal(flow([feature])[0].output, expected.output)


def test_in_mixed_precision_a_flow_in_float32_returns_float32():
    flow = PyramidFlow(META_ENCODER, levels=(0,), precision='float32')
    feature = torch.randn(2, 8, 4, 4)
    with torch.autocast('cpu', torch.bfloat16):
        assert flow([feature.bfloat16()])[0].output.dtype == torch.float32
    flow.precision = None
    with torch.autocast('cpu', torch.bfloat16):
        assert flow([feature.bfloat16()])[0].output.dtype == torch.bfloat16


def test_a_precision_that_is_none_is_refused():
    with pytest.raises(ValueError, match="`precision` must be 'auto', 'float32', .* but got 'half'"):
        PyramidFlow(META_ENCODER, levels=(0,), precision='half')


@pytest.mark.parametrize('memory_format', [torch.contiguous_format, torch.channels_last])
def test_transported_levels_keep_their_layout(memory_format):
    pyramid = [torch.randn(2, 8, size, size).contiguous(memory_format=memory_format) for size in (8, 4)]
    trajectories = PyramidFlow(META_ENCODER, levels=(0,))(pyramid)
    assert all(feature.is_contiguous(memory_format=memory_format) for feature in replace_levels(pyramid, trajectories))


def test_inference_makes_no_endpoints():
    trajectory = PyramidFlow(META_ENCODER, levels=(0,), num_steps=2)([torch.randn(1, 8, 4, 4)])[0]
    assert 'endpoints' not in vars(trajectory)
    assert len(trajectory.endpoints) == 2 and trajectory.endpoints is trajectory.endpoints
