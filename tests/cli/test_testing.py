"""What a test makes of the config of a run."""

import pytest
from commands import ROOT
from mmengine.config import Config

from mmfmkt.cli.testing import as_tested, augment

DEMO = ROOT / 'configs/demo'


def test_the_config_of_a_test_has_another_name_than_that_of_the_training():
    """A runner writes it into the work dir, where the other is what a run is resumed and drawn by."""
    cfg = Config.fromfile(DEMO / 'pair.py')
    tested = as_tested(cfg, None)
    assert tested.filename == 'deployed_pair.py' and cfg.filename == str(DEMO / 'pair.py')
    assert as_tested(tested, None).filename == 'deployed_pair.py'


def test_a_test_has_the_metrics_of_the_config():
    cfg = Config.fromfile(DEMO / 'pair.py')
    cfg.test_evaluator.type = 'mmrazor.FasterCocoMetric'
    assert as_tested(cfg, None).test_evaluator.type == 'mmrazor.FasterCocoMetric'


@pytest.mark.parametrize('metric, imported', [('CocoMetric', False), ('mmrazor.FasterCocoMetric', True)])
def test_the_config_of_a_test_imports_the_project_where_its_metric_is_from_it(metric, imported):
    cfg = Config.fromfile(DEMO / 'pair.py')
    cfg.test_evaluator.type = metric
    assert ('custom_imports' in as_tested(cfg, None)) is imported


@pytest.mark.parametrize('wrapped', [False, True])
def test_an_image_is_seen_as_it_is_and_flipped_unless_the_config_says_how(wrapped):
    cfg = Config.fromfile(DEMO / 'retinanet_r18.py')
    model, innermost = cfg.model.type, cfg.test_dataloader.dataset
    *transforms, pack = innermost.pipeline
    if wrapped:
        cfg.test_dataloader.dataset = dict(type='RepeatDataset', times=1, dataset=innermost)
    augment(cfg)
    dataset = cfg.test_dataloader.dataset
    *before, last = (dataset.dataset if wrapped else dataset).pipeline
    assert before == transforms and last.type == 'TestTimeAug'
    assert [flip.prob for flip in last.transforms[0]] == [1.0, 0.0]
    assert last.transforms[1][0].type == pack.type and 'flip_direction' in last.transforms[1][0].meta_keys
    assert cfg.model.type == 'DetTTAModel' and cfg.model.module.type == model


def test_what_the_config_says_of_augmentation_stays():
    cfg = Config.fromfile(DEMO / 'retinanet_r18.py')
    cfg.tta_model, cfg.tta_pipeline = dict(type='Own'), [dict(type='LoadImageFromFile')]
    augment(cfg)
    assert cfg.model.type == 'Own' and cfg.test_dataloader.dataset.pipeline == cfg.tta_pipeline


def test_joined_test_data_have_no_pipeline_that_could_be_augmented():
    cfg = Config.fromfile(DEMO / 'retinanet_r18.py')
    cfg.test_dataloader.dataset = dict(type='ConcatDataset', datasets=[cfg.test_dataloader.dataset] * 2)
    with pytest.raises(ValueError, match='--tta must be used with one test data set, but got a ConcatDataset'):
        augment(cfg)
