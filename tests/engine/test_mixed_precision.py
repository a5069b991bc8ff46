"""What `--amp` makes of a config."""

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from torch import nn

from mmfmkt.engine.mixed_precision import CPUAmpOptimWrapper, enable_amp


@pytest.mark.parametrize(
    'written',
    [
        dict(type='AmpOptimWrapper', loss_scale='dynamic'),
        dict(type='OptimWrapper', dtype='bfloat16', clip_grad=dict(max_norm=1)),
        dict(type='AmpOptimWrapper', use_fsdp=True),
    ],
)
def test_on_a_cpu_settings_of_a_gpu_are_left_out(written, monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    cfg = Config(dict(optim_wrapper=dict(written, optimizer=dict(type='SGD', lr=0.01))))
    enable_amp(cfg)
    wrapper = build_optim_wrapper(nn.Linear(2, 2), cfg.optim_wrapper)
    assert isinstance(wrapper, CPUAmpOptimWrapper)
    assert wrapper.clip_grad_kwargs == written.get('clip_grad')
