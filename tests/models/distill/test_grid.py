"""Every schedule with every encoder, metric and variant: builds, takes two optimisation steps, and predicts."""

import copy
from pathlib import Path

import pytest
import torch
from mmdet.registry import MODELS as DETECTORS
from mmengine.config import Config
from mmengine.optim import OptimWrapper
from mmrazor.registry import MODELS
from torch import nn

from mmfmkt.models import MetaEncoder

ROOT = Path(__file__).parents[3]
SCHEDULES = ['RectifiedFlow', 'VPODE', 'VEODE']
ENCODERS = ['Conv', 'ConvNeXt', 'Light', 'MLP', 'Swin']
METRICS = dict(
    PKD=dict(type='mmrazor.PKDLoss'),
    L2=dict(type='mmrazor.L2Loss', normalize=False, div_element=True),
    CWD=dict(type='mmrazor.ChannelWiseDivergence'),
    DIST=dict(type='mmrazor.PerPixelMetric', metric=dict(type='mmrazor.DISTLoss')),
)
VARIANTS = ['fmkt', 'fmkt-theta', 'ofmkt', 'ofmkt-theta']
CHANNELS, LEVELS = 8, (0, 1)


@DETECTORS.register_module()
class ToyBackbone(nn.Module):
    """Two strided convolutions, two levels."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, CHANNELS, 8, stride=8)
        self.stage = nn.Conv2d(CHANNELS, CHANNELS, 2, stride=2)

    def forward(self, x):
        fine = self.stem(x).relu()
        return fine, self.stage(fine).relu()


@pytest.fixture(scope='module')
def toy():
    """Config of a RetinaNet of a few thousand parameters."""
    model = Config.fromfile(ROOT / 'configs/demo/retinanet_r18.py').model
    model.backbone = dict(type='mmdet.ToyBackbone')
    model.neck = dict(type='mmdet.FPN', in_channels=[CHANNELS] * 2, out_channels=CHANNELS, num_outs=2)
    model.bbox_head.update(
        type='RetinaHead', in_channels=CHANNELS, feat_channels=CHANNELS, stacked_convs=1, norm_cfg=None
    )
    model.bbox_head.pop('num_ins')
    model.bbox_head.anchor_generator.strides = [8, 16]
    return model


@pytest.fixture(scope='module')
def make(toy, tmp_path_factory):
    """(variant, flow, metric) -> the algorithm."""
    teacher = dict(teacher=toy, teacher_ckpt=str(tmp_path_factory.mktemp('grid') / 'teacher.pth'))
    torch.save(DETECTORS.build(toy).state_dict(), teacher['teacher_ckpt'])
    distillers = {
        variant: Config.fromfile(ROOT / f'configs/_base_/methods/{variant}.py').distiller for variant in VARIANTS
    }

    def build(variant, flow, metric):
        architecture, distiller = copy.deepcopy(toy), copy.deepcopy(distillers[variant])
        (loss,) = distiller.distill_losses.values()
        loss.metric = metric
        if variant.endswith('theta'):
            distiller.connectors.flow.flow = flow
        else:
            architecture.neck = dict(type='mmdet.FlowNeck', neck=toy.neck, flow=flow)
        algorithm = 'OFMKTThetaDistill' if variant == 'ofmkt-theta' else 'FMKTDistill'
        return MODELS.build(
            dict(
                type=f'mmrazor.{algorithm}',
                architecture=architecture,
                distiller=distiller,
                **(teacher if variant.startswith('fmkt') else {}),
            )
        )

    return build


@pytest.mark.parametrize('variant', VARIANTS)
@pytest.mark.parametrize('metric', METRICS)
@pytest.mark.parametrize('encoder', ENCODERS)
@pytest.mark.parametrize('schedule', SCHEDULES)
def test_trains_and_predicts(make, batch, schedule, encoder, metric, variant):
    torch.manual_seed(0)
    flow = dict(
        levels=LEVELS,
        num_steps=2,
        schedule=dict(type=f'mmrazor.{schedule}'),
        meta_encoder=dict(type=f'mmrazor.{encoder}MetaEncoder', channels=CHANNELS),
    )
    model = make(variant, flow, METRICS[metric]).train()
    optim_wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.01), clip_grad=dict(max_norm=10))
    inputs, samples = batch
    for _ in range(2):
        loss, logs = model.parse_losses(model.loss(inputs, samples))
        optim_wrapper.update_params(loss)
        assert all(value.isfinite() for value in logs.values())
    last_layers = [module.layers[-1] for module in model.modules() if isinstance(module, MetaEncoder)]
    assert len(last_layers) == len(LEVELS) and all(layer.weight.any() for layer in last_layers)  # they start at zero
    with torch.no_grad():
        predictions = model.eval()(inputs, copy.deepcopy(samples), mode='predict')
    assert len(predictions) == 2 and all(
        prediction.pred_instances.scores.isfinite().all() for prediction in predictions
    )
