"""Metrics of other kinds and evaluators of several data sets in a rehearsal."""

import argparse
import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from commands import ROOT
from mmdet.evaluation import DumpProposals
from mmdet.evaluation.metrics import cityscapes_metric
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.structures import InstanceData

from mmfmkt.cli.preflight import rehearse, rehearse_later_test
from mmfmkt.cli.preflight.evaluation import try_metric

DEMO = ROOT / 'configs/demo/retinanet_r18.py'


@pytest.fixture
def tried(tmp_path):
    """What a rehearsal finds in a metric by one made-up detection with a mask."""
    sample = DetDataSample(metainfo=dict(img_id=1, img_path='/val/0_leftImg8bit.png', ori_shape=(4, 4)))
    sample.pred_instances = InstanceData(
        bboxes=torch.zeros(1, 4), scores=torch.ones(1), labels=torch.zeros(1).long(), masks=torch.zeros(1, 4, 4).bool()
    )
    (tmp_path / 'trial').mkdir()

    def look(metric):
        packed = dict(inputs=torch.zeros(3, 4, 4), data_samples=sample)
        return try_metric(
            metric, [packed], [sample], str(tmp_path / 'trial'), [SimpleNamespace(split='val', file='val.json')]
        )

    return look


def test_the_proposals_of_an_earlier_test_stay_as_they_were(tried, tmp_path):
    (tmp_path / 'proposals.pkl').write_bytes(b'of thousands of images')
    assert tried(DumpProposals(str(tmp_path))) == {}
    assert (tmp_path / 'proposals.pkl').read_bytes() == b'of thousands of images'


def test_a_training_leaves_the_results_of_an_earlier_test_where_they_are(
    prepared, scenes, tmp_path, monkeypatch, caplog
):
    monkeypatch.setattr(cityscapes_metric, 'HAS_CITYSCAPESAPI', True)
    (tmp_path / 'instance/results').mkdir(parents=True)
    (tmp_path / 'instance/results/0_pred.txt').touch()
    loader = Config.fromfile(DEMO).val_dataloader
    loader['dataset']['data_root'] = f'{scenes}/'
    evaluator = [
        dict(type='CityScapesMetric', outfile_prefix=f'{tmp_path}/instance', seg_prefix=''),
        dict(type='CocoMetric', ann_file=f'{scenes}/annotations/val.json', metric='segm'),
    ]
    runner, parts = prepared(**{'test_dataloader': loader, 'test_evaluator': evaluator, 'test_cfg': {}})
    runner.logger.addHandler(caplog.handler)
    rehearse_later_test(runner, parts)
    assert (tmp_path / 'instance/results/0_pred.txt').exists()
    assert 'a test with this config would fail: ' in caplog.text and 'CocoMetric fails' in caplog.text


@pytest.mark.parametrize('named', [True, False])
def test_a_metric_that_writes_into_a_folder_has_one_and_keeps_its_own(tried, tmp_path, monkeypatch, named):
    def evaluate(files, *_, **settings):
        assert [Path(file).read_text().split()[1] for file in files] == ['26']
        return dict(averages={'allAp': 0.5, 'allAp50%': 1.0})

    labels = SimpleNamespace(name2label=dict(car=SimpleNamespace(id=26)))
    for name, value in dict(
        HAS_CITYSCAPESAPI=True,
        CSLabels=labels,
        CSEval=SimpleNamespace(args=argparse.Namespace()),
        evaluateImgLists=evaluate,
    ).items():
        monkeypatch.setattr(cityscapes_metric, name, value, raising=False)
    metric = cityscapes_metric.CityScapesMetric(str(tmp_path / 'own') if named else None, seg_prefix='')
    metric.dataset_meta = dict(classes=('car',))
    assert tried(metric) == {'cityscapes/mAP': 0.5, 'cityscapes/AP@50': 1.0}
    assert Path(metric.outfile_prefix).is_dir() and not list(Path(metric.outfile_prefix).iterdir())


@pytest.fixture
def of_two_files(prepared, scenes):
    """A runner whose validation evaluates two data sets apart, with this `save_best`, and its data sets."""
    content = json.loads((scenes / 'annotations/val.json').read_text())
    for image in content['images']:
        image['id'] += 1000
    for annotation in content['annotations']:
        annotation['image_id'] += 1000
    (scenes / 'annotations/night.json').write_text(json.dumps(content))

    def prepare(save_best, files=('val', 'night')):
        day = dict(Config.fromfile(DEMO).val_dataloader.dataset, data_root=f'{scenes}/')
        night = dict(day, ann_file='annotations/night.json', metainfo=dict(classes=tuple('0123456789'), palette=[]))
        metrics = [dict(type='CocoMetric', ann_file=f'{scenes}/annotations/{file}.json') for file in files]
        return prepared(
            **{
                'val_dataloader.dataset': dict(_delete_=True, type='ConcatDataset', datasets=[day, night]),
                'val_evaluator': dict(
                    _delete_=True, type='MultiDatasetsEvaluator', metrics=metrics, dataset_prefixes=['day', 'night']
                ),
                'default_hooks.checkpoint.save_best': save_best,
            }
        )

    return prepare


def test_figures_of_data_sets_that_are_evaluated_apart_are_called_after_them(of_two_files):
    rehearse(*of_two_files('night/coco/bbox_mAP'))
    with pytest.raises(ValueError, match="got 'coco/bbox_mAP'; there are day/coco/bbox_mAP, .*night/coco/bbox_mAP, "):
        rehearse(*of_two_files('coco/bbox_mAP'))


def test_metrics_whose_data_sets_are_not_known_have_no_known_figures(of_two_files):
    rehearse(*of_two_files('day/coco/bbox_mAP', files=['val']))
