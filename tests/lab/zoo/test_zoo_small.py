"""Every method on every pair that it fits, with small versions of the two detectors, on images of 64 pixels."""

import copy
from types import SimpleNamespace

import pytest
import torch
from detectors import batch_for, tiny_version
from helpers import gradients, total
from mmdet.registry import MODELS as DETECTORS
from mmengine.hub import get_config
from mmrazor.registry import MODELS
from pair_cases import CASES, read_case

from mmfmkt.deploy.export import export_student
from mmfmkt.engine.hooks import SplitDistillerHook
from mmfmkt.pairing.method import read_method
from mmfmkt.pairing.short_form import write_out


@pytest.fixture(scope='module')
def small_teacher(tmp_path_factory):
    """Config and weights of a small version of the teacher of a pair."""
    made = {}

    def make(pair):
        if pair not in made:
            torch.manual_seed(1)
            config = tiny_version(get_config(pair.model.teacher).model)
            detector = DETECTORS.build(copy.deepcopy(config))  # some write into it
            detector.init_weights()
            file = tmp_path_factory.mktemp(pair.name) / 'teacher.pth'
            torch.save(detector.state_dict(), file)
            made[pair] = config, str(file)
        return made[pair]

    return make


@pytest.mark.parametrize('method, pair', CASES.values(), ids=list(CASES))
def test_a_small_version_of_every_pair_trains_predicts_and_is_exported(method, pair, small_teacher, tmp_path):
    cfg = read_case(method, pair)
    student = tiny_version(cfg.model.architecture)
    cfg.model.architecture, (cfg.model.teacher, cfg.model.teacher_ckpt) = student, small_teacher(pair)
    batch = batch_for(student, size=128 if 'DCN' in str(cfg.model.teacher) else None)  # mmcv's takes no map below 3x3
    torch.manual_seed(0)
    plain, written = read_method(method).is_plain, write_out(cfg)
    model = (DETECTORS if plain else MODELS).build(written.model).train()
    model.init_weights()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4)
    for _ in range(2):
        losses = model.loss(*batch)
        assert plain or [value for key, value in losses.items() if key.startswith('distill.loss_')][0].isfinite()
        found = gradients(model, total(losses))
        torch.nn.utils.clip_grad_norm_(model.parameters(), written.optim_wrapper.clip_grad.max_norm)
        optimizer.step()
    assert all(gradient.isfinite().all() for gradient in found.values())
    assert set(found) == {key for key, value in model.named_parameters() if value.requires_grad}  # DDP waits for all
    assert 'pred_instances' in model.eval()(*batch, mode='predict')[0]
    checkpoint = dict(state_dict=model.state_dict(), meta={}, message_hub={})
    if not plain:
        SplitDistillerHook().before_save_checkpoint(SimpleNamespace(cfg={}, model=model), checkpoint)
    torch.save(checkpoint, tmp_path / 'epoch_1.pth')
    export_student(cfg, str(tmp_path / 'epoch_1.pth'), str(tmp_path / 'student.pth'))
    if not read_method(method).deploys_flow:
        DETECTORS.build(student).load_state_dict(torch.load(tmp_path / 'student.pth')['state_dict'], strict=True)
        assert 'mmfmkt' not in (tmp_path / 'student.py').read_text()
