"""The tools as functions: the same runs, the same checks."""

import pytest
from commands import ROOT
from mmdet.registry import VISUALIZERS
from mmdet.visualization import DetLocalVisualizer
from mmengine.config import Config, ConfigDict

import mmfmkt
from mmfmkt import Trained, api, distill, evaluate, export, train
from mmfmkt.api import options
from mmfmkt.cli.distill import distillation_config
from mmfmkt.cli.runner import name_visualizer

TEACHER = ROOT / 'configs/demo/retinanet_r34.py'
AP = 'coco/bbox_mAP'


@pytest.mark.slow
def test_a_student_is_distilled_evaluated_and_exported(student, named_teacher, tmp_path):
    work_dir, options = tmp_path / 'run', {'train_cfg.max_epochs': 1}
    run = distill(student, TEACHER, named_teacher, work_dir=work_dir, cfg_options=options)
    assert isinstance(run, Trained) and run.checkpoint == work_dir / 'epoch_1.pth'
    assert run.config.model.type == 'mmrazor.FMKTDistill' and 0 <= run.figures[AP] <= 1
    measured = evaluate(run.config, run.checkpoint, work_dir=tmp_path / 'test')
    assert measured[AP] == pytest.approx(run.figures[AP], abs=1e-3)
    config, checkpoint = export(run.config, run.checkpoint, tmp_path / 'student.pth')
    assert 'mmfmkt' not in config.read_text()
    assert evaluate(config, checkpoint, work_dir=tmp_path / 'test')[AP] == measured[AP]
    resumed = distill(student, TEACHER, named_teacher, work_dir=work_dir, resume=True)  # to the second epoch
    assert resumed.checkpoint == work_dir / 'epoch_2.pth'


def test_configs_that_were_read_are_taken_and_left_as_they_are(student, named_teacher, tmp_path, monkeypatch):
    monkeypatch.setattr(api, 'finish', lambda runner: runner.cfg)  # all that is done before the training
    configs = [Config.fromfile(student), Config.fromfile(TEACHER)]
    before = [config.pretty_text for config in configs]
    options = dict(work_dir=tmp_path, cfg_options={'train_cfg.max_epochs': 1}, method='pkd', rehearsal=False)
    cfg = distill(*configs, named_teacher, **options)
    assert cfg.model.type == 'mmrazor.FMKTDistill' and cfg.train_cfg.max_epochs == 1
    assert [config.pretty_text for config in configs] == before


def test_what_is_wrong_is_an_error_before_the_training_and_not_the_end_of_the_program(student, tmp_path):
    with pytest.raises(FileNotFoundError, match='the teacher.*nowhere.pth|`teacher_ckpt`.*nowhere.pth'):
        distill(student, TEACHER, 'nowhere.pth', work_dir=tmp_path)
    with pytest.raises(ValueError, match='must be given the config of a teacher'):
        distill(student, work_dir=tmp_path)
    with pytest.raises(FileNotFoundError, match='the config must be a config file.*nowhere.py'):
        train('nowhere.py')
    with pytest.raises(FileNotFoundError, match='nowhere.pth'):
        evaluate(student, 'nowhere.pth', work_dir=tmp_path)
    with pytest.raises(ValueError, match='--method must be given with a pair'):
        export(student, 'nowhere.pth', tmp_path / 'out.pth', method='fmkt')


def test_every_name_is_there_and_another_is_not():
    assert all(hasattr(mmfmkt, name) for name in mmfmkt.__all__)
    with pytest.raises(AttributeError, match="no attribute 'distil'"):
        mmfmkt.distil  # noqa: B018


def test_the_visualizer_of_a_second_run_has_a_name_of_its_own():
    names = []
    for kind in ('DetLocalVisualizer', DetLocalVisualizer, 'mmdet.DetLocalVisualizer'):
        cfg = Config(dict(visualizer=dict(type=kind, name='of_this_test')))
        name_visualizer(cfg)
        names.append(VISUALIZERS.build(cfg.visualizer).instance_name)
    assert names == ['of_this_test', 'of_this_test_2', 'of_this_test_3']


def test_every_further_teacher_is_in_the_config(student, named_teacher, tmp_path):
    further = [(TEACHER, named_teacher), (Config.fromfile(TEACHER), named_teacher)]
    given = dict(student=student, teacher=TEACHER, teacher_ckpt=str(named_teacher), another_teacher=further)
    rest = dict(method='pkd', inherit=[], evaluate_teacher=False, save=None, work_dir=tmp_path, cfg_options=None)
    cfg = distillation_config(options(**given, **rest))
    assert [type(each.teacher) for each in cfg.model.teacher] == [str, str, ConfigDict]
    assert list(cfg.model.distiller.distill_losses) == ['loss_feature', 'loss_feature_1', 'loss_feature_2']


def test_the_run_of_the_plain_student_is_not_written_over(student, tmp_path, monkeypatch):
    """The config that a run leaves in its folder names that folder."""
    monkeypatch.chdir(tmp_path)
    left = Config.fromfile(student)
    left.update(work_dir=str(tmp_path / 'plain'), resume=True)
    left.dump(tmp_path / 'left.py')
    rest = dict(method='ofmkt-theta', inherit=[], evaluate_teacher=False, save=None, cfg_options=None)
    given = dict(student=tmp_path / 'left.py', teacher=None, teacher_ckpt=None, another_teacher=[], work_dir=None)
    cfg = distillation_config(options(**given, **rest))
    assert cfg.work_dir == 'work_dirs/ofmkt-theta_left' and not cfg.get('resume')
    assert distillation_config(options(**dict(given, student=left), **rest)).work_dir == left.work_dir  # as it was said
