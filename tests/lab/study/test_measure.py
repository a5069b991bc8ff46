import json

from mmfmkt.lab.study.measure import curve, training_cost


def test_the_cost_of_a_training_is_that_of_its_fastest_tenth_over_all_its_logs(tmp_path):
    starts = {
        '20261101_1': dict.fromkeys(range(10, 60, 10), 0.1),
        '20261101_2': {step: step / 100 for step in range(20, 120, 10)},
    }
    for name, entries in starts.items():  # the second goes on from the 10th
        folder = tmp_path / name / 'vis_data'
        folder.mkdir(parents=True)
        lines = [json.dumps(dict(step=step, time=seconds, loss=1.0)) for step, seconds in entries.items()]
        (folder / 'scalars.json').write_text(
            '\n'.join([*lines, json.dumps({'coco/bbox_mAP': 0.1, 'step': 4}), '{"step": 1'])
        )
    assert training_cost(tmp_path) == dict(iterations=110, seconds=0.2)  # 0.1, 0.2 ... 1.1


def test_the_curve_has_ap_in_points_by_epoch(tmp_path):
    (tmp_path / '1' / 'vis_data').mkdir(parents=True)
    entries = [dict(step=5, epoch=1, loss=1.0), {'coco/bbox_mAP': 0.123, 'step': 1}]
    entries += [dict(step=10, epoch=2, loss=1.0), {'coco/bbox_mAP': 0.25, 'step': 2}]
    (tmp_path / '1' / 'vis_data' / 'scalars.json').write_text('\n'.join(map(json.dumps, entries)))
    assert curve(tmp_path) == {1: 12.3, 2: 25.0}


def test_a_detector_without_a_log_has_neither_cost_nor_curve(tmp_path):
    assert training_cost(tmp_path) == curve(tmp_path) == {}
