import json

from mmfmkt.lab.study.measure import training_cost


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


def test_a_detector_without_a_log_has_no_cost(tmp_path):
    assert training_cost(tmp_path) == {}
