import json

from mmfmkt.study.measure import training_cost


def test_the_cost_of_a_training_is_the_median_over_all_its_logs(tmp_path):
    logs = {'20261101_1': [(10, 9.0), (20, 0.2), (30, 0.2)], '20261101_2': [(30, 0.4), (40, 0.4)]}  # the second goes on from the 20th
    for name, entries in logs.items():
        folder = tmp_path / name / 'vis_data'
        folder.mkdir(parents=True)
        lines = [json.dumps(dict(step=step, time=time, loss=1.0)) for step, time in entries]
        (folder / 'scalars.json').write_text('\n'.join([*lines, json.dumps({'coco/bbox_mAP': 0.1, 'time': 99.0, 'step': 4})]))
    assert training_cost(tmp_path) == dict(iterations=40, seconds=0.4)


def test_a_detector_without_a_log_has_no_cost(tmp_path):
    assert training_cost(tmp_path) == {}
