"""The real tools on a few scenes: train, resume, test, export, two processes, wrong input."""

import os
import pickle
import shutil
import sys

import mmdet
import pytest
import torch
from commands import ROOT, fail, refused, run, succeed, tool
from mmdet.apis import inference_detector, init_detector
from mmdet.registry import MODELS as DETECTORS
from mmengine.config import Config

from mmfmkt.cli.run_log import name_device

pytestmark = pytest.mark.slow
EPOCHS = 2


@pytest.fixture(scope='module')
def trained(make_config, tmp_path_factory):
    """Name of a demo config -> its config file and the folder of a finished run."""
    finished = {}

    def train(name):
        if name not in finished:
            config, work_dir = make_config(name), tmp_path_factory.mktemp(name)
            succeed(tool('train.py', config, '--work-dir', work_dir))
            finished[name] = config, work_dir
        return finished[name]

    return train


def weights(file):
    checkpoint = torch.load(file, weights_only=False)
    return {**checkpoint['state_dict'], **checkpoint.get('distiller', {})}


@pytest.mark.parametrize('name', ['fmkt', 'fmkt-theta'])
def test_a_resumed_run_ends_as_the_run_that_was_not_interrupted(trained, name, tmp_path):
    config, work_dir = trained(name)
    shutil.copy(work_dir / 'epoch_1.pth', tmp_path)
    (tmp_path / 'last_checkpoint').write_text(str(tmp_path / 'epoch_1.pth'))
    succeed(tool('train.py', config, '--work-dir', tmp_path, '--resume'))
    resumed, expected = weights(tmp_path / f'epoch_{EPOCHS}.pth'), weights(work_dir / f'epoch_{EPOCHS}.pth')
    assert list(resumed) == list(expected)
    for key, value in expected.items():
        assert torch.equal(resumed[key], value), key
    # the config that the resumed run has written tests its checkpoint
    succeed(tool('test.py', tmp_path / config.name, tmp_path / f'epoch_{EPOCHS}.pth', '--work-dir', tmp_path / 'test'))


def test_another_number_of_steps_at_test_time_changes_the_detections_of_fmkt_alone(trained, tmp_path, monkeypatch):
    config, work_dir = trained('fmkt')
    scores = []
    for num_steps in (1, 8):
        out = tmp_path / f'{num_steps}.pkl'
        succeed(
            tool(
                'test.py',
                config,
                work_dir / f'epoch_{EPOCHS}.pth',
                '--work-dir',
                tmp_path,
                '--out',
                out,
                '--num-steps',
                num_steps,
                '--cfg-options',
                'model.architecture.test_cfg.score_thr=0.0',
            )
        )
        scores.append(torch.cat([image['pred_instances']['scores'] for image in pickle.loads(out.read_bytes())]))
    assert len(scores[0]) > 0 and not torch.equal(*scores)
    for where, num_steps, message in (
        (trained('fmkt'), 0, '`inference_steps` must be an integer of at least 1, but got 0'),
        (trained('fmkt-theta'), 2, '--num-steps must be used with a detector that carries'),
    ):
        command = ['test.py', where[0], where[1] / f'epoch_{EPOCHS}.pth', '--work-dir', tmp_path]
        assert message in refused(monkeypatch, *command, '--num-steps', num_steps)


def test_a_run_says_what_it_is(trained):
    _, work_dir = trained('fmkt')
    (log,) = (file.read_text() for file in work_dir.rglob('*.log'))
    for line in (
        'versions: mmfmkt ',
        f'mmdet {mmdet.__version__}',
        f'torch {torch.__version__}',
        f'device: {name_device()}\n',
        'seed 0 for 1 process(es)',
        'the teacher RetinaNet has 316 weights, all from ',
        'loss_fmkt compares level 0 (64, 32, 32) with 0 (64, 32, 32), ',
    ):
        assert line in log
    if os.path.exists(ROOT / '.git'):
        assert '(revision ' in log


def test_training_checkpoint_of_theta_is_a_stock_checkpoint(trained):
    _, work_dir = trained('fmkt-theta')
    checkpoint = torch.load(work_dir / f'epoch_{EPOCHS}.pth', weights_only=False)
    stock = DETECTORS.build(Config.fromfile(ROOT / 'configs/demo/retinanet_r18.py').model)
    stock.load_state_dict(checkpoint['state_dict'], strict=True)
    assert all(key.startswith('distiller.connectors.flow.') for key in checkpoint['distiller'])


@pytest.mark.parametrize('name', ['fmkt', 'fmkt-theta'])
def test_testing_needs_no_teacher_and_dumps_and_draws(trained, name, tmp_path):
    config, work_dir = trained(name)
    printed = succeed(
        tool(
            'test.py',
            config,
            work_dir / f'epoch_{EPOCHS}.pth',
            '--work-dir',
            tmp_path,
            '--out',
            tmp_path / 'predictions.pkl',
            '--show-dir',
            'drawn',
            '--cfg-options',
            'model.teacher_ckpt=nowhere.pth',
        )
    )
    assert 'nowhere.pth' not in printed
    assert (tmp_path / f'deployed_{config.name}').exists()  # beside the config of a training, were it there
    assert not (tmp_path / config.name).exists()
    assert len(pickle.loads((tmp_path / 'predictions.pkl').read_bytes())) == 6
    assert len(list(tmp_path.rglob('drawn/*.jpg'))) == 6


@pytest.mark.parametrize('name', ['fmkt', 'fmkt-theta', 'fmkt-feature-logit', 'ofmkt-theta'])
def test_exported_student_gives_the_boxes_of_the_trained_one(trained, digits, name, tmp_path):
    config, work_dir = trained(name)
    checkpoint = work_dir / f'epoch_{EPOCHS}.pth'
    # the config that the run has left, with the hooks that were added
    succeed(tool('export_student.py', work_dir / config.name, checkpoint, tmp_path / 'student.pth'))
    assert set(torch.load(tmp_path / 'student.pth')) == {'meta', 'state_dict'}
    stock = ROOT / 'configs/demo/retinanet_r18.py'
    config_file = stock if name.endswith('theta') else tmp_path / 'student.py'
    if name.endswith('theta'):
        code = (
            "import sys; sys.modules['mmfmkt'] = sys.modules['mmrazor'] = None; from mmengine.config import Config; "
            f'from mmengine.runner import Runner; cfg = Config.fromfile({str(tmp_path / "student.py")!r}); '
            f'cfg.work_dir = {str(tmp_path)!r}; Runner.from_cfg(cfg)'
        )
        succeed(run(sys.executable, '-W', 'ignore', '-c', code))
    exported = init_detector(str(config_file), str(tmp_path / 'student.pth'), device='cpu')
    model = Config.fromfile(work_dir / config.name).model.architecture  # written out
    student = DETECTORS.build(model)
    student.load_state_dict(torch.load(checkpoint, weights_only=False)['state_dict'], strict=True)
    student.cfg = exported.cfg
    for image in sorted((digits / 'val').glob('*.jpg'))[:3]:
        ours, theirs = (inference_detector(m.eval(), str(image)).pred_instances for m in (student, exported))
        assert torch.equal(ours.bboxes, theirs.bboxes) and torch.equal(ours.scores, theirs.scores)


def test_mixed_precision_trains(make_config, tmp_path):
    config = make_config('fmkt')
    succeed(tool('train.py', config, '--work-dir', tmp_path, '--amp'))
    wrapper = Config.fromfile(tmp_path / config.name).optim_wrapper.type
    assert wrapper in ('AmpOptimWrapper', 'mmrazor.CPUAmpOptimWrapper')


WRONG = {
    'missing teacher checkpoint': ('fmkt', 'model.teacher_ckpt=nowhere.pth', 'nowhere.pth'),
    'checkpoint of another detector': ('fmkt', 'model.teacher=configs/demo/retinanet_r18.py', 'does not belong'),
    'other classes than the teacher': ('fmkt', 'model.architecture.bbox_head.num_classes=7', 'student has [7]'),
    'other classes than the data': ('retinanet_r18', 'model.bbox_head.num_classes=7', 'has 10 classes'),
    'missing annotation file': ('fmkt', 'train_dataloader.dataset.ann_file=no.json', 'no.json must exist'),
    'missing data folder': ('fmkt', 'train_dataloader.dataset.data_root=nowhere', 'nowhere'),
    'missing annotation file of the metric': ('retinanet_r18', 'val_evaluator.ann_file=no.json', 'no.json'),
    'classes that the annotations lack': (
        'retinanet_r18',
        'train_dataloader.dataset.metainfo.classes=[a,b,c,d,e,f,g,h,i,j]',
        'no category has the name of a class',
    ),
    'missing checkpoint to start from': ('retinanet_r18', 'load_from=nowhere.pth', 'but nowhere.pth is none'),
    'missing image folder': ('fmkt', 'train_dataloader.dataset.data_prefix.img=nowhere', 'nowhere must exist'),
    'unknown schedule': (
        'fmkt',
        'model.architecture.neck.flow.schedule.type=mmrazor.Cosine',
        'mmrazor.RectifiedFlow, mmrazor.VEODE',
    ),
    'no steps': ('fmkt', 'model.architecture.neck.flow.num_steps=0', '`num_steps` must be an integer of at least 1'),
    'empty list of steps': ('fmkt', 'model.architecture.neck.flow.num_steps=[]', 'an empty list'),
    'channels of another pyramid': (
        'fmkt',
        'model.architecture.neck.flow.meta_encoder.channels=32',
        'must be those of the features',
    ),
    'config without a teacher': ('fmkt', 'model.teacher=None', '`teacher` must be'),
}


@pytest.mark.parametrize('case', WRONG)
def test_wrong_input_is_one_clear_error_before_training(make_config, tmp_path, monkeypatch, case):
    name, option, message = WRONG[case]
    assert message in refused(
        monkeypatch, 'train.py', make_config(name), '--work-dir', tmp_path, '--cfg-options', option
    )


def test_a_tool_that_stops_prints_its_message_without_a_traceback(make_config, tmp_path):
    assert 'nowhere.pth is none' in fail(
        tool('train.py', make_config('retinanet_r18'), '--work-dir', tmp_path, '--cfg-options', 'load_from=nowhere.pth')
    )


def test_a_checkpoint_of_another_detector_is_not_tested(trained, make_config, tmp_path, monkeypatch):
    _, work_dir = trained('fmkt')
    command = ['test.py', make_config('retinanet_r34'), work_dir / f'epoch_{EPOCHS}.pth', '--work-dir', tmp_path]
    assert 'missing from the checkpoint' in refused(monkeypatch, *command)


def test_the_flow_of_a_finished_run_is_drawn_with_the_config_that_it_has_left(trained, tmp_path):
    config, work_dir = trained('fmkt')
    succeed(
        tool(
            'visualize_flow.py',
            work_dir / config.name,
            work_dir / f'epoch_{EPOCHS}.pth',
            '--num-images',
            1,
            '--num-val-images',
            6,
            '--out-dir',
            tmp_path,
        )
    )
    assert {path.name for path in tmp_path.iterdir()} == {
        'features_0_000000.png',
        'detections.png',
        'errors.png',
        'paths.png',
    }
