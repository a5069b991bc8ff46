"""tools/predict.py: what exported detectors find, drawn and written down."""

import argparse
import json
import re

import cv2
import pytest
import torch
from mmdet.registry import MODELS as DETECTORS
from mmengine.config import Config

from mmfmkt.cli.predict import predict
from mmfmkt.deploy.export import export_student
from mmfmkt.deploy.onnx import export_onnx

TEACHER = 'configs/demo/teacher/train.py', 'configs/demo/teacher/retinanet_r34.pth'


@pytest.fixture(scope='module')
def exported(tmp_path_factory):
    """The demo's teacher as a graph with boxes and as a checkpoint with its config."""
    folder = tmp_path_factory.mktemp('exported')
    cfg = Config.fromfile(TEACHER[0])
    export_onnx(cfg, TEACHER[1], str(folder / 'teacher.onnx'), boxes=True)
    export_student(cfg, TEACHER[1], str(folder / 'teacher.pth'))
    return folder


def found_by(model, images, out, score_thr=0.3):
    predict(argparse.Namespace(model=str(model), images=list(map(str, images)), out=str(out), score_thr=score_thr))
    return json.loads((out / 'detections.json').read_text())


def test_a_graph_finds_in_real_images_what_the_detector_finds(exported, digits, tmp_path):
    of_graph, of_detector = (
        found_by(exported / name, [digits / 'val'], tmp_path / name) for name in ('teacher.onnx', 'teacher.pth')
    )
    assert len(of_graph) == len(of_detector) >= 6
    for one, other in zip(of_graph, of_detector):
        assert (one['image'], one['category']) == (other['image'], other['category'])
        assert one['score'] == pytest.approx(other['score'], abs=1e-4)
        assert one['bbox'] == pytest.approx(other['bbox'], abs=0.02)


def test_every_image_is_drawn(exported, digits, tmp_path):
    files = sorted((digits / 'val').iterdir())[:2]
    found_by(exported / 'teacher.onnx', files, tmp_path / 'out')
    for file in files:
        drawn, image = cv2.imread(str(tmp_path / 'out' / f'{file.stem}.png')), cv2.imread(str(file))
        assert drawn.shape == image.shape and (drawn != image).any()


def test_boxes_are_in_pixels_of_the_image_whatever_its_size(exported, digits, tmp_path):
    file = sorted((digits / 'val').iterdir())[0]
    cv2.imwrite(str(tmp_path / 'large.png'), cv2.resize(cv2.imread(str(file)), None, fx=3, fy=3))
    small, large = (
        max(found_by(exported / 'teacher.onnx', [image], tmp_path / 'out'), key=lambda found: found['score'])
        for image in (file, tmp_path / 'large.png')
    )
    assert small['category'] == large['category']
    assert [number / 3 for number in large['bbox']] == pytest.approx(small['bbox'], abs=2)


def test_a_detector_of_grey_images_reads_and_draws_them(digits, tmp_path):
    cfg = Config.fromfile(TEACHER[0])
    cfg.model.backbone.in_channels = 1
    cfg.model.data_preprocessor.update(mean=[127.5], std=[64.0], bgr_to_rgb=False)
    cfg.test_dataloader.dataset.pipeline[0].color_type = 'grayscale'
    weights = dict(torch.load(TEACHER[1], weights_only=False)['state_dict'])
    weights['backbone.conv1.weight'] = weights['backbone.conv1.weight'].float().sum(1, keepdim=True)
    torch.save(dict(state_dict=weights, meta={}), tmp_path / 'grey.pth')
    export_onnx(cfg, str(tmp_path / 'grey.pth'), str(tmp_path / 'student.onnx'), boxes=True)
    export_student(cfg, str(tmp_path / 'grey.pth'), str(tmp_path / 'student.pth'))
    image = sorted((digits / 'val').iterdir())[0]
    of_graph, of_detector = (
        found_by(tmp_path / name, [image], tmp_path / 'out', 0.1) for name in ('student.onnx', 'student.pth')
    )
    assert len(of_graph) == len(of_detector) > 0
    assert [each['score'] for each in of_graph] == pytest.approx([each['score'] for each in of_detector], abs=1e-4)
    assert cv2.imread(str(tmp_path / 'out' / f'{image.stem}.png')).shape == cv2.imread(str(image)).shape


def test_what_is_no_image_is_told_before_anything_is_found(exported, digits, tmp_path):
    (tmp_path / 'broken.jpg').write_text('no image')
    with pytest.raises(ValueError, match='IMAGE must be an image that OpenCV reads, but got .*broken.jpg'):
        found_by(exported / 'teacher.onnx', [digits / 'val', tmp_path / 'broken.jpg'], tmp_path / 'out')
    assert not (tmp_path / 'out').exists()


def test_an_image_that_breaks_off_leaves_what_was_found_before_it(exported, digits, tmp_path):
    whole = sorted((digits / 'val').iterdir())[0]
    (tmp_path / 'half.jpg').write_bytes(whole.read_bytes()[:200])
    expected = found_by(exported / 'teacher.onnx', [whole], tmp_path / 'alone')
    with pytest.raises(ValueError, match='half.jpg'):
        found_by(exported / 'teacher.onnx', [whole, tmp_path / 'half.jpg'], tmp_path / 'out')
    assert expected and json.loads((tmp_path / 'out/detections.json').read_text()) == expected


def test_scores_below_the_threshold_are_left_out(exported, digits, tmp_path):
    found = found_by(exported / 'teacher.onnx', [digits / 'val'], tmp_path, score_thr=0.9)
    assert found and all(each['score'] >= 0.9 for each in found)


def test_a_graph_of_a_fixed_size_refuses_images_that_do_not_fit(digits, tmp_path):
    cfg = Config.fromfile(TEACHER[0])
    export_onnx(cfg, TEACHER[1], str(tmp_path / 'small.onnx'), (64, 64), boxes=True)
    with pytest.raises(ValueError, match=re.escape('height and width of the graph, [64, 64], but one is [128, 128]')):
        found_by(tmp_path / 'small.onnx', [digits / 'val'], tmp_path)


def test_what_is_no_exported_detector_or_no_image_is_refused(exported, digits, tmp_path):
    image, graph = sorted((digits / 'val').iterdir())[0], exported / 'teacher.onnx'
    dense, alone = tmp_path / 'dense.onnx', tmp_path / 'alone.pth'
    export_onnx(Config.fromfile(TEACHER[0]), TEACHER[1], str(dense))
    torch.save(DETECTORS.build(Config.fromfile(TEACHER[0]).model).state_dict(), alone)
    (tmp_path / 'broken.onnx').write_text('no graph')
    (tmp_path / 'empty').mkdir()
    (tmp_path / 'broken.jpg').write_text('no image')
    for model, images, error, message in (
        (exported / 'teacher.py', [image], ValueError, 'MODEL must be a .onnx or .pth file'),
        (tmp_path / 'none.onnx', [image], FileNotFoundError, 'MODEL must be a file, but'),
        (tmp_path / 'broken.onnx', [image], ValueError, 'MODEL must be an ONNX graph'),
        (dense, [image], ValueError, 'with --boxes, but the outputs of .* are cls_scores_0'),
        (alone, [image], FileNotFoundError, 'MODEL must have its config beside it'),
        (graph, [tmp_path / 'none.jpg'], FileNotFoundError, 'IMAGE must be there'),
        (graph, [tmp_path / 'empty'], FileNotFoundError, 'a folder must have images'),
        (graph, [tmp_path / 'broken.jpg'], ValueError, 'IMAGE must be an image that OpenCV reads'),
        (graph, [image, image], ValueError, 'images must have different names'),
    ):
        with pytest.raises(error, match=message):
            found_by(model, images, tmp_path / 'out')
    with pytest.raises(ValueError, match=r'--score-thr must be in \[0, 1\], but got 2'):
        found_by(graph, [image], tmp_path / 'out', score_thr=2)
