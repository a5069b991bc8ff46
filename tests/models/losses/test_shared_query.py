"""KD-DETR with small detectors."""

import copy

import pytest
import torch
from detectors import CLASSES, CONFIGS, SIZES, batch_for, full, shrink, tiny
from helpers import gradients, total
from mmdet.registry import MODELS as DETECTORS
from mmengine.config import Config, ConfigDict
from mmrazor.registry import MODELS
from torch import nn

from mmfmkt.engine.add_hooks import make_resumable
from mmfmkt.models import SharedQueryLoss
from mmfmkt.models.losses.shared_query_loss import ARGUMENTS, decode, detect
from mmfmkt.pairing.pair import pair_config

FAMILIES = ('points', 'refined', 'boxes', 'dino')  # three kinds of Deformable DETR, and DINO


def config(family, **changes):
    """Config of a small detector."""
    name = family if family in CONFIGS else 'deformable_detr'
    model = tiny(name)
    if family in ('boxes', 'wide'):  # mmdet's two stages want 256 channels
        model = shrink(full(name), dict(SIZES, num_classes=CLASSES, embed_dims=256, num_feats=128))
        model.merge(dict(neck=dict(out_channels=256), bbox_head=dict(embed_dims=256)))
    if name != family:
        model.merge(dict(with_box_refine=family in ('refined', 'boxes'), as_two_stage=family == 'boxes'))
    model.merge(copy.deepcopy(changes))
    return model


def detector(model, seed=0):
    """A detector whose layers all do something, with some scores that would be reported, and without dropout."""
    torch.manual_seed(seed)
    built = DETECTORS.build(copy.deepcopy(model))  # it writes into its config
    built.init_weights()
    with torch.no_grad():
        for parameter in built.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
        for branch in built.bbox_head.cls_branches:
            branch.bias.fill_(-2.0)
    for module in built.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        elif isinstance(module, nn.MultiheadAttention):
            module.dropout = 0.0
    return built


@pytest.fixture
def pair(tmp_path):
    """An algorithm that trains a pair: (student, teacher, settings of the loss)."""

    def build(student, teacher, **loss):
        torch.save(detector(teacher, 1).state_dict(), tmp_path / 'teacher.pth')
        settings = dict(loss=loss, teacher_inference=dict(precision='float32', fold_bn=False))
        built = pair_config(student, teacher, str(tmp_path / 'teacher.pth'), 'kd-detr', **settings)
        algorithm = MODELS.build(dict(ConfigDict(built), architecture=detector(student, 2)))
        return algorithm.train()

    return build


@pytest.fixture(params=FAMILIES)
def family(request):
    return request.param


def test_queries_that_are_decoded_again_have_the_same_predictions(family):
    model = detector(config(family)).eval()
    images, samples = batch_for('dino')
    call, found = detect(model, model.extract_feat(images), samples)
    again = decode(call, model.bbox_head, {name: call.kwargs[name] for name in ARGUMENTS if name in call.kwargs})
    assert len(found) == 2 and len(found[0]) == 2  # layers
    for one, other in zip(again, found):
        torch.testing.assert_close(one, other)
    assert not model.decoder._forward_pre_hooks


def test_a_student_with_the_teachers_weights_has_no_loss(pair, family):
    """Though its own queries are denoised in training, and the teacher's are not."""
    algorithm = pair(config(family), config(family))
    batch = batch_for('dino')
    assert algorithm.loss(*batch)['distill.loss_kd_detr'] > 0.01
    algorithm.architecture.load_state_dict(algorithm.teacher.detector.state_dict())
    assert algorithm.loss(*batch)['distill.loss_kd_detr'].abs() < 1e-4


def test_gradients_reach_all_of_the_student_that_predicts_and_nothing_of_the_teacher(pair, family):
    algorithm = pair(config(family), config(family))
    losses = algorithm.loss(*batch_for('dino'))
    found = gradients(algorithm, losses['distill.loss_kd_detr'])
    for part in ('backbone.layer4', 'neck', 'encoder.layers.0', 'decoder.layers.0', 'decoder.layers.1'):
        assert any(gradient.norm() > 0 for name, gradient in found.items() if f'architecture.{part}' in name), part
    for branches in ('cls_branches', 'reg_branches'):
        assert any(gradient.norm() > 0 for name, gradient in found.items() if branches in name), branches
    assert all(gradient.isfinite().all() for gradient in found.values())
    assert all(parameter.grad is None for parameter in algorithm.teacher.detector.parameters())


@pytest.mark.parametrize(
    'settings, of_student, of_teacher',
    [
        ({}, [None, 20, 7], [20, 7]),
        (dict(specific_weight=0), [None, 7], [20, 7]),
        (dict(general_weight=0), [None, 20], [20]),
    ],
)
def test_encoders_run_once_and_decoders_once_for_each_set_that_counts(pair, settings, of_student, of_teacher):
    algorithm = pair(config('dino'), config('dino'), num_general=7, **settings)
    seen = dict(student=[], teacher=[])
    for side, model in (('student', algorithm.architecture), ('teacher', algorithm.teacher.detector)):
        model.encoder.register_forward_hook(lambda *_, side=side: seen[side].append('encoder'))
        model.decoder.register_forward_hook(
            lambda module, args, kwargs, output, side=side: seen[side].append(kwargs['query'].shape[1]),
            with_kwargs=True,
        )
    algorithm.loss(*batch_for('dino'))
    own = seen['student'][1]  # with denoising queries
    assert own > 20
    assert seen['student'] == ['encoder', *(own if number is None else number for number in of_student)]
    assert seen['teacher'] == ['encoder', *of_teacher]


def test_weights_are_factors_of_the_sets_and_of_all(pair):
    algorithm = pair(config('dino'), config('dino'))
    (loss,) = algorithm.distiller.distill_losses.values()
    values = {}
    for weights in ((1, 0, 1), (0, 1, 1), (3, 2, 0.5)):
        loss.general_weight, loss.specific_weight, loss.loss_weight = weights
        torch.manual_seed(0)
        values[weights] = algorithm.loss(*batch_for('dino'))['distill.loss_kd_detr'].item()
    assert values[3, 2, 0.5] == pytest.approx(1.5 * values[1, 0, 1] + values[0, 1, 1], rel=1e-4)


def test_backbones_levels_layers_and_numbers_of_queries_may_differ(pair):
    teacher = config('dino', decoder=dict(num_layers=3), num_queries=30)
    student = config(
        'dino',
        backbone=dict(depth=18),
        neck=dict(in_channels=[8, 16, 32], num_outs=3),
        num_feature_levels=3,
        num_queries=12,
    )
    for coder, attention in ((student.encoder, 'self_attn_cfg'), (student.decoder, 'cross_attn_cfg')):
        coder.layer_cfg[attention].num_levels = 3
    losses = pair(student, teacher).loss(*batch_for('dino'))
    assert losses['distill.loss_kd_detr'] > 0 and total(losses).isfinite()


def test_images_of_different_sizes_are_masked_in_both(pair):
    algorithm = pair(config('dino'), config('dino'))
    algorithm.architecture.load_state_dict(algorithm.teacher.detector.state_dict())
    images, samples = batch_for('dino')
    samples[0].set_metainfo(dict(img_shape=(64, 40)))
    samples[0].gt_instances.bboxes.clamp_(max=40)
    assert algorithm.loss(images, samples)['distill.loss_kd_detr'].abs() < 1e-4


def test_in_mixed_precision_the_loss_is_finite_and_float32(pair):
    algorithm = pair(config('dino'), config('dino'))
    with torch.autocast('cpu', torch.bfloat16):
        losses = algorithm.loss(*batch_for('dino'))
    assert losses['distill.loss_kd_detr'].dtype == torch.float32
    assert all(gradient.isfinite().all() for gradient in gradients(algorithm, total(losses)).values())


@pytest.mark.parametrize(
    'student, teacher, reason',
    [
        ('retinanet', 'dino', 'the student is no Deformable DETR and no DINO, but a RetinaNet'),
        ('dino', 'faster_rcnn', 'the teacher is no Deformable DETR and no DINO, but a FasterRCNN'),
        ('ddq_detr', 'dino', 'the student is no Deformable DETR and no DINO, but a DDQDETR'),
        ('dab_detr', 'dab_detr', 'the student is no Deformable DETR and no DINO, but a DABDETR'),
        (
            'boxes',
            'dino',
            'the decoders have different types, DeformableDetrTransformerDecoder and DinoTransformerDecoder',
        ),
        ('wide', 'boxes', 'the decoders have different references, points and boxes'),
        ('points', 'wide', 'the decoders have different widths, 16 and 256'),
        ('points', 'classes', 'the decoders have different classes, 10 and 4'),
        ('points', 'refined', None),
        ('boxes', 'boxes', None),
    ],
)
def test_detectors_that_cannot_decode_the_same_queries_say_why(student, teacher, reason):
    built = [
        DETECTORS.build(tiny('deformable_detr', 4) if name == 'classes' else config(name))
        for name in (student, teacher)
    ]
    assert SharedQueryLoss.misfit(*built) == reason


def test_scores_of_a_softmax_are_refused():
    model = DETECTORS.build(config('points'))
    other = copy.deepcopy(model)
    other.bbox_head.loss_cls.use_sigmoid = False
    assert SharedQueryLoss.misfit(model, other) == (
        "the scores of the teacher's DeformableDETRHead are no sigmoid logits"
    )


def test_a_pair_that_does_not_fit_is_refused_with_the_methods_that_do(tmp_path):
    with pytest.raises(ValueError, match='but kd-detr does not: the student is no Deformable DETR .* crosskd, cwd'):
        pair_config(tiny('retinanet'), tiny('retinanet'), 'nowhere.pth', 'kd-detr')


def test_the_loss_keeps_neither_weights_of_the_teacher_nor_the_teacher(pair):
    algorithm = pair(config('points'), config('points'))
    assert set(algorithm.state_dict()) == set(DETECTORS.build(config('points')).state_dict())
    (loss,) = algorithm.distiller.distill_losses.values()
    assert not list(loss.parameters()) and copy.deepcopy(loss).teacher() is algorithm.teacher.detector
    algorithm.stop_distillation()
    assert loss.teacher() is None and 'distill.loss_kd_detr' not in algorithm.loss(*batch_for('dino'))


@pytest.fixture
def theta(tmp_path):
    """What `make_runner` trains: KD-DETR with dropout, which a resumed run must draw again."""
    model = tiny('deformable_detr')
    torch.save(detector(model, 1).state_dict(), tmp_path / 'teacher.pth')
    return ConfigDict(pair_config(model, model, str(tmp_path / 'teacher.pth'), 'kd-detr', loss=dict(num_general=10)))


def test_a_resumed_run_draws_the_queries_that_it_would_have_drawn(make_runner, tmp_path):
    cfg = Config(dict(train_cfg=dict(by_epoch=True, max_epochs=2), custom_hooks=[]))
    make_resumable(cfg)
    options = dict(train_cfg=cfg.train_cfg, custom_hooks=list(cfg.custom_hooks), repeat=2)
    make_runner(2, 'whole', **options).train()
    first = str(tmp_path / 'whole' / 'epoch_1.pth')
    make_runner(2, 'resumed', resume=True, load_from=first, **options).train()
    before, whole, resumed = (
        torch.load(file)['state_dict']
        for file in (first, tmp_path / 'whole' / 'epoch_2.pth', tmp_path / 'resumed' / 'epoch_2.pth')
    )
    assert all(torch.equal(resumed[key], value) for key, value in whole.items())
    assert any(not torch.equal(before[key], value) for key, value in whole.items())
