"""Parts of one's own come in by `custom_imports`: the examples of docs/extending.md as they are."""

import re
from types import SimpleNamespace

import pytest
import torch
from mmdet.registry import MODELS as DETECTORS
from mmengine.config import Config
from mmengine.utils import import_modules_from_strings
from mmrazor.registry import HOOKS, MODELS

from mmfmkt.flow.transport import time_grid
from mmfmkt.pairing.short_form import write_out


@pytest.fixture
def blocks(root):
    """The code blocks from that section on."""
    section = (root / 'docs/extending.md').read_text().split('## Parts of a flow')[1]
    return re.findall(r'```python\n(.*?)```', section, flags=re.DOTALL)


@pytest.fixture
def model(blocks, root, tmp_path, monkeypatch):
    """The algorithm of the example's config, on top of the demo's pair."""
    parts, config = blocks[:2]
    (tmp_path / 'my_parts.py').write_text(parts)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert "_base_ = 'fmkt_retinanet_r101_r50.py'" in config
    (tmp_path / 'config.py').write_text(
        config.replace("_base_ = 'fmkt_retinanet_r101_r50.py'", f"_base_ = '{root}/configs/demo/pair.py'")
    )
    cfg = Config.fromfile(tmp_path / 'config.py')
    import_modules_from_strings(**cfg.custom_imports)
    teacher = Config.fromfile(root / 'configs/demo/retinanet_r34.py').model
    torch.save(DETECTORS.build(teacher).state_dict(), tmp_path / 'teacher.pth')
    cfg.model.update(method='fmkt', teacher=teacher, teacher_ckpt=str(tmp_path / 'teacher.pth'))
    yield MODELS.build(write_out(cfg).model).train()
    for name in ('TwoConvs', 'Quadratic', 'CosineDistance'):
        MODELS.module_dict.pop(name)


def test_the_example_of_own_parts_trains(model, batch):
    flow = model.architecture.neck.flow
    assert type(flow.meta_encoders['0']).__name__ == 'TwoConvs'
    assert time_grid(flow.schedule, 4)[1] == pytest.approx([0.4375, 0.3125, 0.1875, 0.0625])
    losses = model.loss(*batch)
    assert type(model.distiller.distill_losses['loss_fmkt'].level_metrics[0].metric).__name__ == 'CosineDistance'
    losses['distill.loss_fmkt'].backward()
    assert all(encoder.layers[-1].weight.grad.norm() > 0 for encoder in flow.meta_encoders.values())


def test_the_example_of_a_hook_logs_how_many_iterations_are_done(blocks):
    said = []
    exec(blocks[2], {})
    hook = HOOKS.build(dict(type='mmrazor.CountHook'))
    HOOKS.module_dict.pop('CountHook')
    hook.after_train_epoch(SimpleNamespace(iter=7, logger=SimpleNamespace(info=said.append)))
    assert said == ['7 iterations']
