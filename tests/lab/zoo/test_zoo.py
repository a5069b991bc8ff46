"""Every method on every pair, as the configs, the metafile and the docs say, with MMDetection's detectors."""

import pytest
import yaml
from mmdet.registry import MODELS as DETECTORS
from mmengine.config import Config
from mmengine.hub import get_config
from mmrazor.registry import MODELS
from pair_cases import BY_NAME, CASES, CONFIGS, PAIRS, fitting, read_case

from mmfmkt.detectors import evaluating
from mmfmkt.lab.zoo import Pair, published
from mmfmkt.lab.zoo.metafile import describe_config, write_metafile
from mmfmkt.lab.zoo.pair_configs import METHODS, config_name, config_text, heading, write_configs
from mmfmkt.models.teacher import frozen_teacher
from mmfmkt.pairing import pair as wrap
from mmfmkt.pairing.method import folder, method_names, read_method
from mmfmkt.pairing.short_form import write_out

RETINANET, FASTER_RCNN = BY_NAME['retinanet_r101_r50'], BY_NAME['faster-rcnn_r101_r50']
ROOT_CONFIGS = {f'{config_name(method, pair)}.py': (method, pair) for method in METHODS for pair in PAIRS}


def name(thing):
    """The name of a pair or of a file, for the name of a test."""
    return thing.name.removesuffix('.py')


def real(model):
    model = get_config(model).model if isinstance(model, str) else model
    detector = DETECTORS.build(model)
    detector.eval().requires_grad_(False)
    return detector


@pytest.fixture(scope='module', params=PAIRS, ids=name)
def pair(request):
    """A pair, with MMDetection's detectors, each built once: (pair, student, teacher)."""
    model = request.param.model
    return request.param, real(model.architecture), real(model.teacher)


def test_the_methods_that_fit_a_pair_are_those_of_the_table(pair):
    pair, student, teacher = pair
    methods = [method for method in method_names() if not read_method(method).misfit(student, teacher)]
    assert methods == fitting(pair)
    assert {'student', 'fmkt', 'fmkt-theta', 'ofmkt', 'pkd', 'cwd', 'mgd', 'fgd', 'fitnet', 'diffkd'} <= set(methods)


def test_every_method_that_fits_a_pair_builds_with_mmdets_detectors(pair, monkeypatch):
    """On an empty image that is smaller than usual; what is the same for all methods of the pair is made once."""
    pair, student, teacher = pair
    monkeypatch.setattr(evaluating, 'SIZES', (64, 128))
    looked_at = {
        side: wrap.build_with_pyramid(detector, side) for side, detector in (('student', student), ('teacher', teacher))
    }
    monkeypatch.setattr(wrap, 'build_with_pyramid', lambda config, side: looked_at[side])
    for module in (wrap, frozen_teacher):
        monkeypatch.setattr(module, 'read_detector_config', lambda config: teacher)
    monkeypatch.setattr(frozen_teacher, 'load_strictly', lambda *args: {})
    for method in fitting(pair):
        if not read_method(method).is_plain:
            built = MODELS.build(write_out(read_case(method, pair)).model)
            assert type(built.architecture) is type(student)
            assert (built.teacher is not None) == read_method(method).reads_teacher


def test_all_cases_are_tested():
    """Methods without a teacher once for each student: the 15 pairs have 11, as some differ in their teachers alone."""
    counts = {method: len([case for case, _ in CASES.values() if case == method]) for method in method_names()}
    assert {counts[method] for method in ('fmkt', 'fmkt-theta', 'pkd', 'cwd', 'mgd', 'fgd', 'fitnet', 'diffkd')} == {15}
    assert {counts[method] for method in ('student', 'ofmkt', 'ofmkt-theta')} == {11}
    assert [counts[method] for method in ('kd', 'dist', 'crosskd', 'bckd', 'ld', 'kd-detr')] == [11, 11, 10, 9, 2, 1]
    assert [counts[method] for method in ('fmkt-logit', 'fmkt-feature-logit', 'fmkt-logit-theta')] == [10, 10, 10]


def test_the_configs_at_the_root_are_fm_kt_on_every_pair():
    assert {file.name for file in CONFIGS.glob('*.py')} == set(ROOT_CONFIGS)


@pytest.mark.parametrize('file', ROOT_CONFIGS)
def test_a_config_states_its_pair_and_its_method_and_nothing_else(file):
    method, pair = ROOT_CONFIGS[file]
    assert (CONFIGS / file).read_text() == config_text(method, pair)
    assert Config.fromfile(CONFIGS / file).model == dict(Config.fromfile(pair.file).model, method=method)


@pytest.mark.parametrize('pair', PAIRS, ids=name)
def test_the_address_of_a_teacher_is_that_of_mmdets_metafile(pair):
    teacher = pair.model.teacher.removeprefix('mmdet::').removesuffix('.py')
    assert published(teacher)['Weights'] == pair.model.teacher_ckpt


def unscoped(node):
    """A part of a config, without the scope that `mmdet::` adds."""
    if isinstance(node, dict):
        return {key: unscoped(value) for key, value in node.items() if key != '_scope_'}
    return [unscoped(each) for each in node] if isinstance(node, (list, tuple)) else node


@pytest.mark.parametrize('pair', PAIRS, ids=name)
def test_a_pair_keeps_the_students_schedule_and_its_name_says_so(pair):
    cfg, stock = (write_out(read_case('student', pair)), get_config(f'mmdet::{pair.student_config}.py'))
    for key in ('train_cfg', 'param_scheduler', 'train_dataloader', 'val_evaluator'):
        assert unscoped(cfg[key]) == unscoped(stock[key])
    assert unscoped(cfg.optim_wrapper.optimizer) == unscoped(stock.optim_wrapper.optimizer)
    assert cfg.optim_wrapper.clip_grad == (stock.optim_wrapper.get('clip_grad') or dict(max_norm=35, norm_type=2))
    assert cfg.auto_scale_lr.base_batch_size == (256 if '8xb32' in pair.student_config else 16)
    epochs = cfg.train_cfg.max_epochs
    assert pair.name.endswith({24: pair.name, 12: ('_1x', '_12e'), 300: '_300e'}[epochs])


@pytest.mark.parametrize('pair', PAIRS, ids=name)
def test_a_pair_is_one_file_of_at_most_20_lines(pair):
    assert len(pair.file.read_text().splitlines()) <= 20


@pytest.mark.parametrize('method', method_names())
def test_a_method_is_one_file_of_at_most_40_lines(method):
    assert len((folder() / f'{method}.py').read_text().splitlines()) <= 40


def test_the_metafile_is_that_of_the_configs(tmp_path):
    written = yaml.safe_load((CONFIGS / 'metafile.yml').read_text())
    write_metafile(PAIRS, tmp_path / 'metafile.yml')
    expected = yaml.safe_load((tmp_path / 'metafile.yml').read_text())
    for entry in written['Models']:
        entry.update(Results=expected['Models'][0]['Results'], Weights=None)
    assert written == expected
    assert yaml.safe_load((CONFIGS.parent / 'model-index.yml').read_text()) == dict(Import=['configs/metafile.yml'])


@pytest.mark.parametrize('pair', PAIRS, ids=name)
def test_the_docs_have_a_pair_with_the_published_aps(pair):
    docs = CONFIGS.parent / 'docs'
    (row,) = [line for line in (docs / 'methods.md').read_text().splitlines() if line.startswith(f'| [{pair.name}]')]
    link, _, of_teacher, of_student = (cell.strip() for cell in row.split('|')[1:5])
    entry = describe_config('fmkt', pair)
    assert link == f'[{pair.name}](../configs/{pair.path})'
    assert of_teacher == str(entry['Teacher']['Metrics']['box AP'])
    assert of_student == str(entry['Student'].get('Metrics', {}).get('box AP', ''))


def test_the_metafile_keeps_what_was_measured(tmp_path):
    file = tmp_path / 'metafile.yml'
    write_metafile([RETINANET], file)
    before = yaml.safe_load(file.read_text())
    entry = before['Models'][0]
    assert entry['Results'] == [dict(Task='Object Detection', Dataset='COCO', Metrics={'box AP': None})]
    assert entry['Teacher']['Metrics'] == {'box AP': 38.9} and entry['Student']['Metrics'] == {'box AP': 37.4}
    entry['Results'][0]['Metrics']['box AP'] = 12.3
    result = [dict(Task='Object Detection', Dataset='COCO', Metrics={'box AP': 45.6})]
    pkd = dict(entry, Name='pkd_retinanet_r101_r50', Config='configs/retinanet/retinanet_r101_r50.py', Results=result)
    pkd['In Collection'] = 'PKD'
    mgd = dict(pkd, Name='mgd_retinanet_r101_r50', Results=before['Models'][1]['Results'])  # not measured
    file.write_text(yaml.safe_dump(dict(before, Models=[*before['Models'], mgd, pkd])))
    write_metafile([RETINANET, FASTER_RCNN], file)
    after = yaml.safe_load(file.read_text())
    assert {entry['Name']: entry['Results'][0]['Metrics']['box AP'] for entry in after['Models']} == {
        'fmkt-theta_faster-rcnn_r101_r50': None,
        'fmkt-theta_retinanet_r101_r50': 12.3,
        'fmkt_faster-rcnn_r101_r50': None,
        'fmkt_retinanet_r101_r50': None,
        'pkd_retinanet_r101_r50': 45.6,
    }
    assert after['Models'][-1] == pkd
    assert [collection['Name'] for collection in after['Collections']] == ['FM-KT', 'FM-KT^Θ', 'PKD']


@pytest.mark.parametrize('method', method_names())
def test_a_method_names_itself_and_its_paper(method):
    title, paper = heading(method)
    assert title and (paper or method == 'student')


def test_a_new_pair_is_one_file(tmp_path):
    """Any method trains it: `train.py PAIR --method NAME`."""
    file = tmp_path / 'atss' / 'atss_tood-r101_r50_1x.py'
    file.parent.mkdir()
    file.write_text(
        '# TOOD R101 -> ATSS R50, 1x schedule.\n'
        "_base_ = 'mmdet::atss/atss_r50_fpn_1x_coco.py'\n"
        "custom_imports = dict(imports=['mmfmkt'], allow_failed_imports=False)\n"
        "model = dict(_delete_=True, type='mmrazor.FMKTPair', architecture=_base_.model,\n"
        "             teacher='mmdet::tood/tood_r101_fpn_ms-2x_coco.py', teacher_ckpt='tood_r101.pth')\n"
    )
    assert write_configs(Pair(file), tmp_path) == ['fmkt_atss_tood-r101_r50_1x', 'fmkt-theta_atss_tood-r101_r50_1x']
    assert write_configs(Pair(file), tmp_path) == []
    assert Config.fromfile(tmp_path / 'fmkt_atss_tood-r101_r50_1x.py').model.method == 'fmkt'
    cfg = Config.fromfile(file)
    cfg.model.method = 'mgd'
    written = write_out(cfg).model
    assert written.distiller.distill_losses.loss_feature.levels == (0, 1, 2, 3)


def test_a_new_method_is_one_file(tmp_path):
    """In a folder of the user's: PKD with another metric, and MGD's weight for students with two stages."""
    file = tmp_path / 'smooth.py'
    file.write_text(
        f"_base_ = '{CONFIGS}/_base_/distillers/features.py'\n"
        'distiller = dict(distill_losses=dict(loss_feature=dict(metric=dict(type="mmdet.SmoothL1Loss"))))\n'
        'for_students = dict(two_stage=dict(loss_weight=2.0))\n'
    )
    loss = write_out(read_case(str(file), FASTER_RCNN)).model.distiller.distill_losses.loss_feature
    assert loss.metric == dict(type='mmdet.SmoothL1Loss') and loss.loss_weight == 2.0 and loss.levels == (0, 1, 2, 3)


@pytest.mark.parametrize(
    'text, message',
    [
        (
            'distiller = dict(distill_losses=dict())',
            'the distiller of a method must have a loss, but that of .* has none',
        ),
        (
            'distiller, place = dict(distill_losses=dict(loss_a=dict(type="a"))), "tail"',
            "`place` of a method must be one of neck, head, .* but that of .* is 'tail'$",
        ),
        ('distiller = 3', 'the distiller of a method must be a dict'),
        ('', 'the file of a method must have `distiller`, .* has none of them'),
        ('distiler = dict()', 'the file of a method must have `distiller`, .* has distiler'),
        ('distiller = dict(distill_losses=3)', '`distill_losses` of the distiller must be a dict, but got 3'),
        (
            'distiller = dict(distill_losses=dict(loss_a=dict()))',
            r'`distill_losses.loss_a` of the distiller must be dict\(type=...\)',
        ),
        (
            'distiller, for_students = dict(), dict(two_stages=dict())',
            '`for_students` .* must be for two_stage or anchor_free, but',
        ),
        ('distiller = dict(', '`method` .* could not be read as a config'),
    ],
)
def test_a_file_that_is_no_method_is_refused(tmp_path, text, message):
    (tmp_path / 'method.py').write_text(text)
    with pytest.raises(ValueError, match=message):
        read_method(str(tmp_path / 'method.py'))


def test_a_method_that_does_not_fit_names_those_that_do():
    with pytest.raises(
        ValueError,
        match='`method` must fit student and teacher, but crosskd does not: the student has no dense head '
        'with towers of convolutions, but none. Those that do are cwd, diffkd, dist, .*student$',
    ):
        write_out(read_case('crosskd', FASTER_RCNN))
