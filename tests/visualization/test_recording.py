import math

import pytest
import torch
from helpers import wake
from mmdet.registry import MODELS as DETECTORS
from mmrazor.registry import MODELS

from mmfmkt.flow import VPODE, RectifiedFlow, transport
from mmfmkt.models import FMKTLoss
from mmfmkt.visualization import find_flow_loss, record_paths
from mmfmkt.visualization.recording import paths_of, states_of, stride_of


@pytest.mark.parametrize('schedule', [RectifiedFlow(), VPODE()], ids=str)
def test_the_states_begin_at_the_source_and_end_at_the_output(source, curved, schedule):
    trajectory = transport(source, curved, 5, schedule)
    states = states_of(trajectory)
    assert len(states) == 6 and torch.equal(states[0], source) and torch.equal(states[-1], trajectory.output)


@pytest.fixture(params=['fmkt', 'theta'])
def algorithm(request):
    """A distillation whose flow has left the identity."""
    torch.manual_seed(0)
    algorithm = MODELS.build(request.getfixturevalue(request.param))
    wake(algorithm)
    return algorithm


def test_a_path_leads_from_the_students_pyramid_to_what_the_flow_makes_of_it(algorithm, batch):
    paths = record_paths(algorithm, *batch)
    student = algorithm.eval().architecture
    with torch.no_grad():
        own = (
            student.neck.neck(student.backbone(batch[0]))
            if hasattr(student.neck, 'flow')
            else student.extract_feat(batch[0])
        )
        taught = algorithm.teacher.extract_features(*batch)
        read = student.extract_feat(batch[0])
    for level, path in paths.items():
        assert torch.equal(path.states[0], own[level]) and torch.equal(path.target, taught[level])
        assert not torch.equal(path.states[-1], own[level])
        if hasattr(student.neck, 'flow'):
            assert torch.equal(path.states[-1], read[level])
    assert [path.stride for path in paths.values()] == [8, 16, 32]


@pytest.mark.parametrize('length', [608, 800, 1344])
def test_the_stride_of_a_level_is_that_of_its_detector_also_where_it_does_not_divide_the_image(length):
    strides = [8, 16, 32, 64, 128]
    assert [stride_of(length, math.ceil(length / stride)) for stride in strides] == strides


def test_looking_leaves_no_trace(algorithm, batch):
    algorithm.train()
    before = {key: value.clone() for key, value in algorithm.state_dict().items()}
    random = torch.get_rng_state()
    record_paths(algorithm, *batch)
    assert algorithm.training and algorithm.architecture.backbone.training
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(value, before[key]) for key, value in algorithm.state_dict().items())
    managers = (algorithm.distiller.student_recorders, algorithm.distiller.teacher_recorders)
    assert not any(recorder.data_buffer for manager in managers for recorder in manager.recorders.values())


def test_a_path_is_what_the_loss_compares_after_projection_and_rounding(source, curved):
    torch.manual_seed(0)
    loss = FMKTLoss(
        transform=dict(type='mmrazor.ConvModuleConnector', in_channel=6, out_channel=3, act_cfg=None)
    ).double()
    target = torch.randn(2, 3, 6, 4, dtype=torch.float64)  # a pixel higher
    trajectory = transport(source, curved, 3)
    loss([trajectory], target)
    path = paths_of(loss, 32, {0: trajectory}, target)[0]
    compared = [loss.level_metrics[0].distance(endpoint, path.target) for endpoint in path.endpoints]
    assert compared == loss.distances[0]


def test_a_flow_without_a_teacher_has_its_output_as_the_target(source, curved):
    trajectory = transport(source, curved, 3)
    path = paths_of(FMKTLoss(target=dict(type='mmrazor.OwnOutput')), 32, {0: trajectory})[0]
    assert torch.equal(path.target, trajectory.output) and path.times == (1.0, 2 / 3, 1 / 3, 0.0)


def test_a_detector_without_distillation_has_no_flow_to_show(retinanet):
    with pytest.raises(
        ValueError, match='flow pictures must be of a method that has a flow .* but got RetinaNet without'
    ):
        find_flow_loss(DETECTORS.build(retinanet))
