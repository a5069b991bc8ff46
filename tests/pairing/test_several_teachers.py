"""Several teachers at once."""

import copy

import pytest
import torch
from detectors import batch_for, tiny
from helpers import gradients, total
from mmdet.registry import MODELS as DETECTORS
from mmengine.logging import MessageHub
from mmrazor.registry import MODELS

from mmfmkt.cli.preflight import check_teacher_classes
from mmfmkt.models.distill.unlabelled import mappings_without_labels
from mmfmkt.pairing.pair import pair_config

FAMILIES = (
    'fcos',
    'faster_rcnn',
    'yolox',
)  # with anchors and without, of two stages, of another width and three levels


@pytest.fixture
def teachers(tmp_path):
    """A list of teachers of these families, as in a config."""

    def make(*families, **settings):
        MessageHub.get_current_instance().update_info('epoch', 0)
        listed = []
        for number, family in enumerate(families):
            torch.manual_seed(number)
            detector = DETECTORS.build(tiny(family))
            detector.init_weights()
            file = tmp_path / f'{number}.pth'
            torch.save(dict(state_dict=detector.state_dict(), meta=settings.get('meta', {})), file)
            listed.append(dict(teacher=tiny(family), teacher_ckpt=str(file)))
        return listed

    return make


def built(pair):
    torch.manual_seed(0)
    model = MODELS.build(pair)
    model.init_weights()
    return model.train()


@pytest.mark.parametrize('method', ['pkd', 'fmkt-theta', 'fmkt', 'mgd', 'fgd'])
def test_three_teachers_of_different_families_train_a_student(teachers, method):
    model = built(pair_config(tiny('retinanet'), teachers(*FAMILIES), method=method))
    first = next(iter(model.distiller.distill_losses))
    assert list(model.distiller.distill_losses) == [first, f'{first}_1', f'{first}_2']
    losses = model.loss(*batch_for(model))
    for name in (first, f'{first}_1', f'{first}_2'):
        assert losses[f'distill.{name}'].isfinite() and losses[f'distill.{name}'] > 0
    assert gradients(model, total(losses))
    assert not any(key.startswith(('teacher', 'further')) for key in model.state_dict())
    assert [next(teacher.detector.parameters()).requires_grad for teacher in model.teachers()] == [False] * 3


def test_only_levels_that_all_have_are_compared(teachers):
    pair = pair_config(tiny('retinanet'), teachers('fcos', 'yolox'), method='pkd')
    losses = pair['distiller']['distill_losses']
    assert losses['loss_feature']['levels'] == losses['loss_feature_1']['levels'] == (0, 1, 2)
    assert 'transform' not in losses['loss_feature'] and losses['loss_feature_1']['transform'][0]['out_channel'] == 8


def test_a_method_that_compares_logits_besides_is_refused(teachers):
    with pytest.raises(ValueError, match='compares features alone, as fmkt-theta or pkd, but got fmkt-feature-logit'):
        pair_config(tiny('fcos'), teachers('fcos', 'fcos'), method='fmkt-feature-logit')


@pytest.mark.parametrize('method', ['pkd', 'fmkt-theta', 'fmkt'])
def test_the_same_teacher_twice_is_that_teacher_once(teachers, method):
    (one,) = teachers('fcos')
    single = built(pair_config(tiny('retinanet'), one['teacher'], one['teacher_ckpt'], method))
    double = built(pair_config(tiny('retinanet'), [copy.deepcopy(one), dict(one, weight=3)], method=method))
    double.load_state_dict(single.state_dict())
    batch = batch_for(single)
    results = []
    for model in (single, double):
        torch.manual_seed(0)
        losses = model.loss(*copy.deepcopy(batch))
        distillation = sum(value for name, value in losses.items() if name.startswith('distill.loss'))
        results.append((distillation, gradients(model, distillation)))
    (one_loss, one_gradients), (two_losses, two_gradients) = results
    assert two_losses.item() == pytest.approx(one_loss.item(), rel=1e-5)
    largest = max(gradient.abs().max() for gradient in one_gradients.values())
    for name, gradient in one_gradients.items():
        assert torch.allclose(two_gradients[name], gradient, rtol=1e-3, atol=1e-5 * largest.item()), name


@pytest.mark.parametrize('method', ['pkd', 'fmkt-theta'])
def test_in_turn_each_iteration_has_one_teacher(teachers, method):
    model = built(pair_config(tiny('retinanet'), teachers(*FAMILIES), method=method, in_turn=True))
    first, batch, hub = next(iter(model.distiller.distill_losses)), batch_for(model), MessageHub.get_current_instance()
    hub.update_info('iter', 0)
    model.prepare_teacher(*batch)  # which runs each of them
    ran = []
    for number, teacher in enumerate(model.teachers()):
        teacher.detector.neck.register_forward_hook(lambda *args, number=number: ran.append(number))
    for iteration in range(4):
        hub.update_info('iter', iteration)
        losses, turn = model.loss(*copy.deepcopy(batch)), iteration % 3
        expected = f'distill.{first}' + (f'_{turn}' if turn else '')
        assert [name for name in losses if name.startswith(f'distill.{first}')] == [expected]
        assert losses[expected] > 0 and ran == [turn]
        gradient = torch.autograd.grad(total(losses), model.distiller.distill_losses.parameters())
        assert all(each is not None for each in gradient)  # of the projections of the others too, where it is 0
        ran.clear()
    hub.update_info('iter', 0)


def test_a_further_teacher_that_no_recorder_listens_to_does_not_run(teachers):
    pair = pair_config(tiny('retinanet'), teachers('fcos', 'gfl'), method='pkd')
    parts, (_, second) = pair['distiller'], pair['distiller']['distill_losses']
    for part in (parts['distill_losses'], parts['loss_forward_mappings']):
        del part[second]
    del parts['teacher_recorders']['pyramid_1']
    model, batch = built(pair), batch_for('retinanet')
    model.prepare_teacher(*batch)  # which runs each of them
    ran = []
    for number, teacher in enumerate(model.teachers()):
        teacher.detector.neck.register_forward_hook(lambda *args, number=number: ran.append(number))
    assert total(model.loss(*batch)).isfinite() and ran == [0]


def test_in_turn_a_connector_of_the_other_teachers_loss_gets_a_gradient_of_0_which_ddp_wants(teachers):
    pair = pair_config(tiny('retinanet'), teachers('fcos', 'gfl'), method='pkd', in_turn=True)
    parts, (_, second) = pair['distiller'], pair['distiller']['distill_losses']
    parts['connectors'] = dict(
        projection=dict(type='mmrazor.ConvModuleConnector', in_channel=16, out_channel=16, act_cfg=None)
    )
    parts['distill_losses'][second]['levels'] = (0,)
    parts['loss_forward_mappings'][second]['student_features'].update(data_idx=0, connector='projection')
    model = built(pair)
    total(model.loss(*batch_for('retinanet'))).backward()
    connector = model.distiller.connectors['projection']
    assert all(torch.equal(each.grad, torch.zeros_like(each)) for each in connector.parameters())


def test_in_turn_every_teacher_is_measured_for_the_weight(teachers):
    pair = pair_config(tiny('retinanet'), teachers('fcos', 'gfl'), method='pkd', in_turn=True)
    pair['balance'] = dict(losses=['loss_feature', 'loss_feature_1'], interval=3)
    model, hub = built(pair), MessageHub.get_current_instance()
    due = []
    for iteration in range(12):
        hub.update_info('iter', iteration)
        due.append((iteration, model.turn(), model.distiller.balance.is_due()))
    hub.update_info('iter', 0)
    assert [(iteration, turn) for iteration, turn, is_due in due if is_due] == [(0, 0), (1, 1), (6, 0), (7, 1)]


def test_in_turn_the_loss_of_a_teacher_weighs_as_much_as_that_of_all(teachers):
    one, two = teachers('fcos', 'fcos')
    pair = pair_config(tiny('retinanet'), [dict(one, weight=3.0), two], method='pkd', in_turn=True)
    losses = pair['distiller']['distill_losses']
    assert [losses[name]['loss_weight'] for name in ('loss_feature', 'loss_feature_1')] == [15.0, 5.0]
    assert pair['in_turn']


def test_one_teacher_takes_no_turns(teachers):
    (one,) = teachers('fcos')
    with pytest.raises(ValueError, match='`in_turn` must be used with several teachers, but got one'):
        pair_config(tiny('retinanet'), one['teacher'], one['teacher_ckpt'], 'pkd', in_turn=True)


def test_weights_are_shares_of_the_loss(teachers):
    one, two = teachers('fcos', 'fcos')
    losses = pair_config(tiny('retinanet'), [dict(one, weight=3.0), two], method='pkd')['distiller']['distill_losses']
    assert [losses[name]['loss_weight'] for name in ('loss_feature', 'loss_feature_1')] == [7.5, 2.5]


def test_each_has_its_features_on_disk(teachers, tmp_path):
    cache = tmp_path / 'cache'
    pair = pair_config(
        tiny('retinanet'), teachers('fcos', 'gfl'), method='pkd', teacher_inference=dict(cache=str(cache))
    )
    model = built(pair)
    batch = batch_for(model)
    for _ in range(2):
        losses = model.loss(*copy.deepcopy(batch))
    folders = list(cache.iterdir())
    assert len(folders) == 2 and all(len(list(folder.iterdir())) == len(batch[0]) for folder in folders)
    assert losses['distill.loss_feature_1'].isfinite()


def test_images_without_labels_are_compared_with_all(teachers):
    model = built(pair_config(tiny('retinanet'), teachers('fcos', 'gfl'), method='pkd'))
    assert list(mappings_without_labels(model.distiller)) == ['loss_feature', 'loss_feature_1']


def test_after_the_distillation_all_are_freed(teachers):
    model = built(pair_config(tiny('retinanet'), teachers('fcos', 'gfl'), method='pkd'))
    model.stop_distillation()
    assert model.teachers() == [] and list(model.further) == []
    assert all('distill' not in name or value == 0 for name, value in model.loss(*batch_for(model)).items())


def test_the_classes_of_each_are_compared_with_the_data(teachers):
    listed = teachers('fcos', 'gfl', meta=dict(dataset_meta=dict(classes=('dog', 'cat'))))
    without = torch.load(listed[0]['teacher_ckpt'])
    torch.save(dict(without, meta={}), listed[0]['teacher_ckpt'])
    model = MODELS.build(pair_config(tiny('retinanet'), listed, method='pkd'))
    with pytest.raises(ValueError, match='the first that differ are dog and cat'):
        check_teacher_classes(model, ('cat', 'dog'))


@pytest.mark.parametrize(
    'change, method, said',
    [
        (lambda listed: [], 'pkd', 'a list of at least one dict'),
        (lambda listed: ['a.py', 'b.py'], 'pkd', r"a list of at least one dict.*\['a.py', 'b.py'\]"),
        (lambda listed: [dict(teacher='a.py')], 'pkd', 'a list of at least one dict'),
        (
            lambda listed: [dict(listed[0], ckpt='b.pth')],
            'pkd',
            'teacher, teacher_ckpt and, .* weight, but one has ckpt',
        ),
        (lambda listed: [dict(listed[0], weight=0)], 'pkd', r'a number above 0, but got \[0\]'),
        (lambda listed: listed, 'crosskd', 'a method that compares features alone, .* but got crosskd'),
        (lambda listed: listed, 'kd', 'a method that compares features alone, .* but got kd'),
    ],
)
def test_what_is_no_list_of_teachers_is_refused(teachers, change, method, said):
    with pytest.raises(ValueError, match=said):
        pair_config(tiny('retinanet'), change(teachers('retinanet', 'retinanet')), method=method)


def test_one_checkpoint_for_several_teachers_is_refused(teachers):
    with pytest.raises(ValueError, match='`teacher_ckpt` must stand beside each of several teachers, but got a.pth'):
        pair_config(tiny('retinanet'), teachers('fcos', 'gfl'), 'a.pth', method='pkd')


def test_teachers_with_other_classes_or_without_a_common_level_are_refused(teachers):
    listed = teachers('fcos', 'fcos')
    listed[1]['teacher'].bbox_head.num_classes = 3
    detector = DETECTORS.build(listed[1]['teacher'])
    torch.save(detector.state_dict(), listed[1]['teacher_ckpt'])
    with pytest.raises(ValueError, match='must detect the same classes'):
        MODELS.build(pair_config(tiny('retinanet'), listed, method='pkd'))
    with pytest.raises(ValueError, match=r'a level of the student in common, but theirs are \[.*\], \[.*\]'):
        pair_config(tiny('retinanet'), teachers('yolof', 'faster_rcnn_c4'), method='pkd')


def test_a_recorder_of_a_teacher_that_is_not_there_is_refused(teachers):
    pair = pair_config(tiny('retinanet'), teachers('fcos', 'gfl'), method='pkd')
    pair['distiller']['teacher_recorders']['pyramid_1']['teacher'] = 2
    with pytest.raises(ValueError, match="recorder 'pyramid_1' must be the number .* from 1 to 1, but got 2"):
        MODELS.build(pair)
