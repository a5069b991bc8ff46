"""Do two processes on half batches compute what one does on the joined batch?

Run it with `torchrun --nproc_per_node 2 two_processes.py OUT`.

Prints nothing; writes, for every detector and variant, the largest relative difference of the gradients of the first
step and of the parameters after some, each relative to the largest entry of its tensor; and for every encoder, what
PyTorch warns of.
"""

import copy
import json
import shutil
import sys
import tempfile
import warnings
from pathlib import Path

import torch
import torch.distributed as dist
from detectors import batch_for, tiny
from helpers import wake
from mmdet.registry import MODELS as DETECTORS
from mmengine.config import ConfigDict
from mmengine.model import MMDistributedDataParallel
from mmengine.optim import OptimWrapper
from mmengine.registry import init_default_scope
from mmrazor.registry import MODELS

from mmfmkt.models.meta_encoders import LightMetaEncoder, MetaEncoder
from mmfmkt.pairing.pair import pair_config

LEARNING_RATE = 0.001
STEPS = dict(retinanet=3, faster_rcnn=1)  # which proposals come first may turn on the last digits, and soon does
VARIANTS = ('fmkt', 'fmkt-theta', 'ofmkt')


def retinanet():
    return tiny('retinanet')


def faster_rcnn():
    """All anchors and 20 proposals an image are trained on: which are drawn would depend on the process."""
    model = tiny('faster_rcnn')
    model.train_cfg.rpn.sampler.num = model.train_cfg.rcnn.sampler.num = 100000
    model.train_cfg.rpn_proposal.update(max_per_img=20, nms=dict(type='nms', iou_threshold=1.0))
    return model


def batches(number):
    """Of four images; the boxes of the third and fourth are those of the first two.

    Heads divide by the positives of a process.
    """
    images, samples = batch_for('retinanet', 128)
    generator = torch.Generator().manual_seed(0)
    for _ in range(number):
        yield (torch.rand(4, *images.shape[1:], generator=generator) * 255).to(torch.uint8), samples * 2


def train(model, share, steps):
    """Gradients of the first step and parameters after the last, by name."""
    module = getattr(model, 'module', model)
    wrapper, gradients = OptimWrapper(torch.optim.SGD(module.parameters(), lr=LEARNING_RATE, momentum=0.9)), {}

    def keep(*args):
        for name, parameter in module.named_parameters():
            if parameter.grad is not None:
                gradients.setdefault(name, parameter.grad.clone())

    wrapper.optimizer.register_step_pre_hook(keep)
    for images, samples in batches(steps):
        data = dict(inputs=list(images[share]), data_samples=copy.deepcopy(samples[share]))
        model.train_step(data, wrapper)
    return gradients, {name: parameter.detach().clone() for name, parameter in module.named_parameters()}


def largest_difference(found, expected):
    assert found.keys() == expected.keys() and len(expected) > 50
    return max(
        ((found[name] - value).abs().max() / value.abs().max().clamp(min=1e-12)).item()
        for name, value in expected.items()
    )


def build(detector, variant, checkpoint, encoder=LightMetaEncoder, auxiliary_head=False):
    torch.manual_seed(1)
    torch.save(DETECTORS.build(detector()).state_dict(), checkpoint)
    torch.manual_seed(0)
    # bfloat16 rounds batches of two and of four differently
    flow = dict(num_steps=[1, 2, 3], precision='float32', meta_encoder=dict(type=f'mmrazor.{encoder.__name__}'))
    settings = dict(flow=flow, teacher_inference=dict(precision='float32'), auxiliary_head=auxiliary_head)
    config = pair_config(detector(), detector(), str(checkpoint), variant, **settings)
    model = MODELS.build(ConfigDict(config)).train()
    wake(model, 0.3)
    return model


def warnings_of(model, share):
    """What is said during a step of several processes, which is otherwise said once."""
    torch.set_warn_always(True)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        train(MMDistributedDataParallel(model, broadcast_buffers=False), share, 1)
    return [str(warning.message) for warning in caught]


def main(out):
    init_default_scope('mmdet')
    cases, results = [(detector, variant) for detector in (retinanet, faster_rcnn) for variant in VARIANTS], {}
    folder = tempfile.mkdtemp()
    models, again = ([build(*case, Path(folder) / 'teacher.pth') for case in cases] for _ in range(2))
    with_head = [build(retinanet, 'fmkt-theta', Path(folder) / 'teacher.pth', auxiliary_head=True) for _ in range(2)]
    alone = [
        train(model, slice(0, 4), STEPS[detector.__name__]) for (detector, _), model in zip(cases, models)
    ]  # before there are several processes
    head_alone = train(with_head[0], slice(0, 4), 1)  # which boxes count may turn on the last digits too
    dist.init_process_group('gloo')
    share = slice(2 * dist.get_rank(), 2 * dist.get_rank() + 2)
    for (detector, variant), model, expected in zip(cases, again, alone):
        together = train(MMDistributedDataParallel(model, broadcast_buffers=False), share, STEPS[detector.__name__])
        results[f'{detector.__name__} {variant}'] = [largest_difference(*pair) for pair in zip(together, expected)]
    head_together = train(MMDistributedDataParallel(with_head[1], broadcast_buffers=False), share, 1)
    results['auxiliary head'] = [largest_difference(*pair) for pair in zip(head_together, head_alone)]
    results['warnings'] = {
        f'{variant} {encoder.__name__}': warnings_of(
            build(retinanet, variant, Path(folder) / 'teacher.pth', encoder), share
        )
        for variant in VARIANTS
        for encoder in MetaEncoder.__subclasses__()
    }
    if dist.get_rank() == 0:
        Path(out).write_text(json.dumps(results))
    shutil.rmtree(folder)
    dist.destroy_process_group()


if __name__ == '__main__':
    main(sys.argv[1])
