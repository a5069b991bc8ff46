"""What would fail after a training is found before it, by the real tool and by the rehearsal alone."""

import json
import re
import shutil

import numpy as np
import pytest
import torch
from commands import ROOT, refused, tool
from mmdet.engine.hooks import DetVisualizationHook
from mmdet.registry import TRANSFORMS
from mmengine.config import Config
from mmengine.evaluator import BaseMetric

from mmfmkt.cli.preflight import rehearse, rehearse_later_test
from mmfmkt.common.processes import in_one_process


def change(file, make):
    content = json.loads(file.read_text())
    make(content)
    file.write_text(json.dumps(content))


def test_a_rehearsal_says_nothing_and_leaves_evaluator_and_randomness_as_they_were(prepared, capsys):
    runner, parts = prepared(**{'default_hooks.checkpoint.save_best': 'coco/bbox_mAP'})
    (metric,) = runner.val_loop.evaluator.metrics
    before, drawn = dict(vars(metric)), (torch.get_rng_state(), np.random.get_state()[1].tolist())
    capsys.readouterr()
    rehearse(runner, parts)
    assert vars(metric) == before and metric.results == []
    assert torch.equal(torch.get_rng_state(), drawn[0]) and np.random.get_state()[1].tolist() == drawn[1]
    assert capsys.readouterr().out == ''


def test_annotations_without_iscrowd_are_named(prepared, scenes):
    change(scenes / 'annotations/val.json', lambda content: content['annotations'][-1].pop('iscrowd'))
    with pytest.raises(ValueError, match='must have `iscrowd`.* but 1 of .* have none; write "iscrowd": 0'):
        rehearse(*prepared())


def other_file(scenes, make):
    """A second annotation file of the validation images."""
    shutil.copy(scenes / 'annotations/val.json', scenes / 'annotations/val2.json')
    change(scenes / 'annotations/val2.json', make)
    return 'annotations/val2.json'


def number_anew(content):
    for image in content['images']:
        image['id'] += 1000
    for annotation in content['annotations']:
        annotation['image_id'] += 1000


def test_an_evaluator_of_another_file_is_named(prepared, scenes):
    with pytest.raises(ValueError, match='`val_evaluator` must fit the data set.*do not correspond.*val2.json'):
        rehearse(*prepared(**{'val_dataloader.dataset.ann_file': other_file(scenes, number_anew)}))


def test_an_evaluator_of_one_of_several_files_is_named(prepared, scenes):
    inner = dict(Config.fromfile(ROOT / 'configs/demo/retinanet_r18.py').val_dataloader.dataset, data_root=f'{scenes}/')
    joined = dict(
        _delete_=True, type='ConcatDataset', datasets=[inner, dict(inner, ann_file=other_file(scenes, number_anew))]
    )
    with pytest.raises(ValueError, match='`val_evaluator` must fit the data set.*val.json and .*val2.json'):
        rehearse(*prepared(**{'val_dataloader.dataset': joined}))


def test_an_evaluator_whose_file_has_another_order_is_named(prepared, scenes):
    file = other_file(scenes, lambda content: content['categories'].reverse())
    with pytest.raises(ValueError, match='`ann_file` of CocoMetric must have its categories in the order.*9, 8, 7, 6'):
        rehearse(*prepared(**{'val_evaluator.ann_file': str(scenes / file)}))


def test_an_evaluator_that_reads_the_objects_of_the_data_set_needs_no_iscrowd(prepared, scenes):
    change(scenes / 'annotations/val.json', lambda content: [each.pop('iscrowd') for each in content['annotations']])
    pipeline = Config.fromfile(ROOT / 'configs/demo/retinanet_r18.py').val_dataloader.dataset.pipeline
    keys = ('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor', 'instances')
    pipeline[-1].meta_keys = keys
    rehearse(*prepared(**{'val_evaluator.ann_file': None, 'val_dataloader.dataset.pipeline': pipeline}))


def test_an_evaluator_whose_file_lacks_a_class_is_named(prepared, scenes):
    file = other_file(scenes, lambda content: content['categories'].pop())
    with pytest.raises(ValueError, match='`val_evaluator` must fit the data set and the detector.*IndexError'):
        rehearse(*prepared(**{'val_evaluator.ann_file': str(scenes / file)}))


def test_masks_of_a_head_that_is_called_otherwise_are_rehearsed(prepared):
    runner, parts = prepared(**{'val_evaluator.metric': ['bbox', 'segm']})
    runner.model.bbox_head.loss_mask = torch.nn.Identity()
    with pytest.raises(ValueError, match="KeyError: 'segmentation'"):  # which the scenes do not have
        rehearse(runner, parts)


def test_the_first_batches_alone_are_rehearsed(prepared):
    rehearse(*prepared(**{'train_dataloader.num_batch_per_epoch': 1}))


def test_several_branches_of_a_pipeline_are_rehearsed(prepared):
    runner, parts = prepared()
    branches = TRANSFORMS.build(dict(type='MultiBranch', branch_field=['sup'], sup=[dict(type='PackDetInputs')]))
    runner.train_dataloader.dataset.pipeline.transforms[-1] = branches
    rehearse(runner, parts)


def test_a_metric_of_what_is_not_detected_is_named(prepared):
    with pytest.raises(ValueError, match='`val_evaluator` must fit the data set and the detector.*segm'):
        rehearse(*prepared(**{'val_evaluator.metric': ['bbox', 'segm']}))


@pytest.mark.parametrize(
    'settings, option',
    [
        ({'default_hooks.checkpoint.save_best': 'bbox_mAP'}, '`save_best`'),
        ({'default_hooks.checkpoint.save_best': ['coco/bbox_mAP', 'bbox_mAP']}, '`save_best`'),
        ({'custom_hooks': [dict(type='EarlyStoppingHook', monitor='bbox_mAP')]}, '`monitor` of EarlyStoppingHook'),
        ({'param_scheduler': [dict(type='ReduceOnPlateauLR', monitor='bbox_mAP')]}, '`monitor` of ReduceOnPlateauLR'),
    ],
)
def test_a_hook_that_waits_for_a_figure_which_nobody_has_is_named(prepared, settings, option):
    with pytest.raises(ValueError, match=f"{option}.* but got 'bbox_mAP'; there are coco/bbox_mAP, coco/bbox_mAP_50"):
        rehearse(*prepared(**settings))


def test_a_pipeline_without_an_end_is_named(prepared):
    with pytest.raises(ValueError, match='the pipeline of the val images must end with PackDetInputs'):
        rehearse(*prepared(**{'val_dataloader.dataset.pipeline': [dict(type='LoadImageFromFile')]}))


def test_a_pipeline_of_the_training_without_an_end_is_named(prepared):
    with pytest.raises(ValueError, match='the pipeline of the train images must end with PackDetInputs'):
        rehearse(*prepared(**{'train_dataloader.dataset.pipeline': [dict(type='LoadImageFromFile')]}))


@pytest.mark.parametrize('split', ['train', 'val'])
def test_images_of_other_channels_than_the_detector_reads_are_named(prepared, split):
    pipeline = [
        dict(type='LoadImageFromFile', color_type='grayscale'),
        dict(type='LoadAnnotations', with_bbox=True),
        dict(type='PackDetInputs'),
    ]
    with pytest.raises(ValueError, match=f'the {split} images must make images of as many.* reads, 3, .* have 1;'):
        rehearse(*prepared(**{f'{split}_dataloader.dataset.pipeline': pipeline}))


def test_transforms_of_the_training_that_keep_images_stay_as_they_were(prepared, scenes):
    inner = dict(Config.fromfile(ROOT / 'configs/demo/retinanet_r18.py').train_dataloader.dataset)
    inner['data_root'] = f'{scenes}/'
    with_cache = dict(
        _delete_=True,
        type='MultiImageMixDataset',
        dataset=dict(inner, pipeline=inner['pipeline'][:2]),
        pipeline=[dict(type='CachedMosaic', img_scale=(64, 64)), dict(type='PackDetInputs')],
    )
    runner, parts = prepared(**{'train_dataloader.dataset': with_cache})
    dataset = runner.train_loop.dataloader.dataset
    mosaic = dataset.pipeline.transforms[0] if hasattr(dataset.pipeline, 'transforms') else dataset.pipeline[0]
    rehearse(runner, parts)
    assert mosaic.results_cache == []


def said_of_a_later_test(prepared, scenes, caplog, **changes):
    """The warnings about a test, of data or an evaluator other than the validation's in what `changes` says."""
    cfg = Config.fromfile(ROOT / 'configs/demo/retinanet_r18.py')
    loader = dict(cfg.val_dataloader, dataset=dict(cfg.val_dataloader.dataset, data_root=f'{scenes}/'))
    loader['dataset'].update(changes.pop('dataset', {}))
    loader.update(num_workers=0, persistent_workers=False)
    evaluator = dict(cfg.val_evaluator, ann_file=f'{scenes}/annotations/val.json', **changes)
    runner, parts = prepared(**{'test_dataloader': loader, 'test_evaluator': evaluator, 'test_cfg': {}})
    runner.logger.addHandler(caplog.handler)
    rehearse_later_test(runner, parts)
    return [record.getMessage() for record in caplog.records if record.levelname == 'WARNING']


def test_a_later_test_that_is_the_validation_or_works_gives_no_warning(prepared, scenes, caplog):
    assert said_of_a_later_test(prepared, scenes, caplog) == []
    other = dict(ann_file=other_file(scenes, lambda content: None))
    few = '9 has no box that a detector sees'  # of so few scenes
    assert all(text.endswith(few) for text in said_of_a_later_test(prepared, scenes, caplog, dataset=other))


@pytest.mark.parametrize(
    'dataset, evaluator, said',
    [
        (dict(ann_file='annotations/test.json'), {}, 'annotations/test.json must exist'),
        ({}, dict(metric=['bbox', 'segm']), '`test_evaluator` must fit.*segm'),
        (dict(pipeline=[dict(type='LoadImageFromFile')]), {}, 'pipeline of the test images must end'),
    ],
)
def test_a_later_test_that_would_fail_gives_a_warning(prepared, scenes, caplog, dataset, evaluator, said):
    *_, text = said_of_a_later_test(prepared, scenes, caplog, dataset=dataset, **evaluator)
    assert re.search(f'a test with this config would fail: .*{said}', text)


def test_a_later_test_of_other_classes_gives_a_warning(prepared, scenes, caplog):
    file = other_file(scenes, lambda content: content['categories'].reverse())
    assert 'another order' in said_of_a_later_test(prepared, scenes, caplog, dataset=dict(ann_file=file))[0]


def test_a_metric_of_another_kind_that_fails_is_reported_and_stops_nothing(prepared, caplog):
    class Other(BaseMetric):
        def process(self, data_batch, data_samples):
            raise KeyError('tracks')

        def compute_metrics(self, results):
            return {}

    runner, parts = prepared(
        **{'default_hooks.checkpoint.save_best': 'other/figure', 'default_hooks.checkpoint.rule': 'greater'}
    )
    runner.val_loop.evaluator.metrics.append(Other())
    runner.logger.addHandler(caplog.handler)
    rehearse(runner, parts)
    assert "Other fails on made-up detections: KeyError: 'tracks'" in caplog.text


def test_the_samples_of_test_time_augmentation_are_rehearsed(prepared, monkeypatch):
    runner, parts = prepared()
    whole = type(parts[-1].dataset).__getitem__

    def several(dataset, index):
        packed = whole(dataset, index)
        return dict(inputs=[packed['inputs']] * 2, data_samples=[packed['data_samples']] * 2)

    monkeypatch.setattr(type(parts[-1].dataset), '__getitem__', several)
    rehearse(runner, parts)


def test_an_image_that_cannot_be_read_is_named(prepared, scenes):
    for file in (scenes / 'val').glob('*.jpg'):
        file.write_bytes(b'nothing')
    with pytest.raises(ValueError, match='val/000000.jpg must be a readable image'):
        rehearse(*prepared())


def test_a_visualizer_that_cannot_draw_detections_is_named(prepared):
    runner, parts = prepared()
    (hook,) = (hook for hook in runner.hooks if isinstance(hook, DetVisualizationHook))
    hook.draw = True
    rehearse(runner, parts)
    runner.visualizer.add_datasample = None
    with pytest.raises(ValueError, match='`visualizer` must draw detections'):
        rehearse(runner, parts)


def test_an_error_of_one_process_is_that_of_all(monkeypatch):
    def broken():
        raise ValueError('wrong')

    with pytest.raises(ValueError, match='^wrong$'):
        in_one_process(broken)
    monkeypatch.setattr('mmfmkt.common.processes.is_main_process', lambda: False)
    in_one_process(broken)  # this process does not look, and nobody has told it of an error


@pytest.mark.slow
def test_the_training_stops_before_it_starts_and_can_be_told_to_go_on(student, tmp_path, monkeypatch):
    options = ['--work-dir', tmp_path, '--cfg-options', 'default_hooks.checkpoint.save_best=bbox_mAP']
    assert '`save_best`' in refused(monkeypatch, 'train.py', student, *options)
    run = tool('train.py', student, '--no-rehearsal', *options, 'train_cfg.max_epochs=1')
    assert 'Epoch(train)' in run.stdout and "KeyError: 'bbox_mAP'" in run.stderr
