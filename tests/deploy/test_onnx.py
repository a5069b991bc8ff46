"""ONNX graphs of deployed detectors, compared with PyTorch in onnxruntime."""

import argparse
import subprocess
import sys

import onnx
import onnxruntime
import pytest
import torch
from detectors import CLASSES, WIDTH, tiny
from helpers import wake
from mmdet.models.backbones.swin import ShiftWindowMSA
from mmdet.registry import MODELS as DETECTORS
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmrazor.registry import MODELS

from mmfmkt.cli.start import set_up
from mmfmkt.deploy.onnx import export_onnx, trace, verify

LEVELS = range(5)


@pytest.fixture
def save(tmp_path):
    """Build a detector with random weights, and save them: its config -> the detector and the file."""

    def build_and_save(model, registry=DETECTORS):
        torch.manual_seed(0)
        detector = registry.build(model)
        detector.init_weights()  # without it, some parameters are what was in the memory
        if 'MetaEncoder' in str(model):
            wake(detector, std=0.1)
        file = tmp_path / 'weights.pth'
        torch.save(dict(state_dict=detector.state_dict()), file)
        return detector.eval(), str(file)

    return build_and_save


@pytest.fixture
def out(tmp_path):
    return tmp_path / 'new' / 'detector.onnx'


def with_flow(model, meta_encoder='Light', levels=(0, 1, 2)):
    """A detector's config with a flow in its neck."""
    encoder = dict(type=f'mmrazor.{meta_encoder}MetaEncoder', channels=WIDTH)
    flow = dict(levels=levels, num_steps=2, meta_encoder=encoder)
    model.neck = dict(type='mmdet.FlowNeck', neck=model.neck, flow=flow)
    return model


def with_flow_in_head(model):
    flow = dict(num_steps=2, meta_encoder=dict(type='mmrazor.MLPMetaEncoder', channels=WIDTH))
    model.bbox_head = dict(type='mmdet.FlowHead', head=model.bbox_head, flow=flow)
    return model


def tensors(nested):
    return [nested] if isinstance(nested, torch.Tensor) else [tensor for part in nested for tensor in tensors(part)]


def run(file, images):
    """Name -> output of onnxruntime."""
    session = onnxruntime.InferenceSession(file, providers=['CPUExecutionProvider'])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, map(torch.from_numpy, session.run(names, dict(images=images.numpy())))))


def assert_same(found, expected):
    assert len(found) == len(expected)
    for one, other in zip(found, expected):
        assert one.shape == other.shape and (one - other).abs().max() <= 1e-4 * other.abs().max()


CASES = dict(
    retinanet=lambda: tiny('retinanet'),
    fcos=lambda: tiny('fcos'),
    deformable_detr=lambda: tiny('deformable_detr'),
    dino=lambda: tiny('dino'),
    flow_in_the_neck=lambda: with_flow(tiny('retinanet')),
    flow_in_the_head=lambda: with_flow_in_head(tiny('gfl')),
)


@pytest.mark.parametrize('case', CASES)
def test_the_graph_computes_what_the_detector_computes_for_any_batch_and_size(case, save, out):
    detector, weights = save(CASES[case]())
    export_onnx(Config(dict(model=CASES[case]())), weights, out)
    images = torch.randn(5, 3, 96, 160)
    shape = tuple(images.shape[2:])
    samples = [DetDataSample(metainfo=dict(img_shape=shape, batch_input_shape=shape)) for _ in images]
    with torch.no_grad():
        assert_same([*run(out, images).values()], tensors(detector(images, samples, mode='tensor')))


def test_of_a_two_stage_detector_the_graph_computes_pyramid_and_rpn(save, out):
    detector, weights = save(with_flow(tiny('faster_rcnn')))
    export_onnx(Config(dict(model=with_flow(tiny('faster_rcnn')))), weights, out)
    images = torch.randn(1, 3, 128, 96)
    found = run(out, images)
    with torch.no_grad():
        pyramid = detector.extract_feat(images)
        assert_same([*found.values()], [*pyramid, *tensors(detector.rpn_head(pyramid))])
    parts = ('feature', 'rpn_cls_scores', 'rpn_bbox_preds')
    assert list(found) == [f'{part}_{level}' for part in parts for level in LEVELS]


@pytest.mark.parametrize('name', ['fmkt', 'theta'])
def test_of_a_distillation_run_the_student_is_exported(name, save, out, request):
    config = request.getfixturevalue(name)
    algorithm, weights = save(config, MODELS)
    export_onnx(Config(dict(model=config)), weights, out)
    images = torch.randn(3, 3, 64, 64)
    with torch.no_grad():
        assert_same([*run(out, images).values()], tensors(algorithm.architecture(images, mode='tensor')))


@pytest.mark.parametrize('meta_encoder', ['Conv', 'ConvNeXt', 'Light', 'MLP', 'Swin'])
def test_every_meta_encoder_can_be_exported(meta_encoder, save, out):
    model = with_flow(tiny('retinanet'), meta_encoder, levels=(1,))
    deviation = export_onnx(Config(dict(model=model)), save(model)[1], out)[1]
    assert 0 < deviation < 1e-5


def test_a_flow_that_was_trained_in_half_precision_is_exported_in_float32(save, out):
    model = with_flow(tiny('retinanet'), 'Light', levels=(1,))
    model.neck.flow.precision = 'bfloat16'
    assert export_onnx(Config(dict(model=model)), save(model)[1], out)[1] < 1e-5


def test_outputs_are_named_after_what_decodes_them_and_free_axes_after_themselves(save, out):
    model = tiny('fcos')
    shapes = export_onnx(Config(dict(model=model)), save(model)[1], out)[0]
    graph = onnx.load(out)
    onnx.checker.check_model(graph, full_check=True)
    stated = {
        value.name: [axis.dim_param or axis.dim_value for axis in value.type.tensor_type.shape.dim]
        for value in (*graph.graph.input, *graph.graph.output)
    }
    assert stated == shapes
    names = [f'{name}_{level}' for name in ('cls_scores', 'bbox_preds', 'score_factors') for level in LEVELS]
    assert list(shapes) == ['images', *names]
    assert shapes['images'] == ['batch', 3, 'height', 'width']
    assert shapes['cls_scores_0'] == ['batch', CLASSES, 'cls_scores_0_axis_2', 'cls_scores_0_axis_3']


def test_a_fixed_size_is_rounded_up_to_what_is_padded(save, out):
    model = tiny('retinanet')
    shapes, _ = export_onnx(Config(dict(model=model)), save(model)[1], out, shape=(70, 100))
    assert shapes['images'] == ['batch', 3, 96, 128] and shapes['bbox_preds_1'] == ['batch', 36, 6, 8]
    assert run(out, torch.randn(4, 3, 96, 128))['bbox_preds_1'].shape == (4, 36, 6, 8)


def test_a_batch_size_that_became_a_constant_is_found(save, out, monkeypatch):
    monkeypatch.setattr(trace, 'join_windows', ShiftWindowMSA.window_reverse)
    model = with_flow(tiny('retinanet'), 'Swin', levels=(2,))
    with pytest.raises(RuntimeError, match=r"output \w+ differs from PyTorch's by .*; nothing was written"):
        export_onnx(Config(dict(model=model)), save(model)[1], out)
    assert not out.exists()


def test_a_small_deviation_is_found(save, out, monkeypatch):
    computed = verify.dense_outputs
    monkeypatch.setattr(
        verify,
        'dense_outputs',
        lambda *args: {
            name: tensor * (1.01 if name == 'bbox_preds_3' else 1) for name, tensor in computed(*args).items()
        },
    )
    model = tiny('retinanet')
    with pytest.raises(RuntimeError, match="output bbox_preds_3 differs from PyTorch's by 9.9e-03 .* more than 1e-03"):
        export_onnx(Config(dict(model=model)), save(model)[1], out)
    assert not out.exists()


def test_what_is_not_a_number_or_of_another_shape_deviates():
    one = torch.ones(2, 3)
    assert verify.deviation(one, one) == 0
    assert verify.deviation(one, one[:1]) == verify.deviation(one * torch.nan, one) == float('inf')
    assert verify.deviation(one, one * torch.nan) == float('inf')


@pytest.mark.parametrize('choice, taken', [([2, 0], True), ([2, 1], False)])
def test_pytorch_takes_the_choice_of_a_top_k_only_if_it_is_as_good(choice, taken):
    scores = torch.tensor([[0.5 + 1e-7, 0.1, 0.5]])
    with verify.choosing([torch.tensor([choice])]):
        assert torch.topk(scores, 2, dim=1)[1].tolist() == [choice if taken else [0, 2]]
    assert torch.topk(scores, 2, dim=1)[1].tolist() == [[0, 2]]


@pytest.mark.parametrize(
    'name, message',
    [
        ('tood', 'TOOD cannot be exported: ONNX has no DeformConv2dFunction'),
        ('vfnet', 'VFNet cannot be exported: ONNX has no mmcv::MMCVDeformConv2d'),
        (
            'cornernet',
            "CornerNet cannot be exported: Exporting the operator 'aten::cummax' to ONNX .* is not supported",
        ),
    ],
)
def test_an_operator_that_onnx_does_not_have_is_named_in_one_line(name, message, save, out, capfd):
    model = tiny(name)
    weights = save(model)[1]
    capfd.readouterr()
    with pytest.raises(RuntimeError, match=message) as raised:
        export_onnx(Config(dict(model=model)), weights, out)
    printed = ''.join(capfd.readouterr())
    assert '\n' not in str(raised.value) and len(printed) < 300 and not out.exists()


def test_where_the_size_becomes_a_constant_the_error_says_what_helps(save, out):
    model = tiny('retinanet_pvt')
    weights = save(model)[1]
    with pytest.raises(RuntimeError, match='onnxruntime cannot run .*; nothing was written; .*--shape H W'):
        export_onnx(Config(dict(model=model)), weights, out)
    export_onnx(Config(dict(model=model)), weights, out, shape=(64, 96))


def test_a_detector_without_a_dense_head_is_refused(save, out):
    model = tiny('sparse_rcnn')
    with pytest.raises(ValueError, match='must have a dense `bbox_head` or `rpn_head`, but got SparseRCNN'):
        export_onnx(Config(dict(model=model)), save(model)[1], out)


def test_a_size_of_nothing_is_refused(out):
    with pytest.raises(ValueError, match=r'`shape` must be a height and a width of at least 1, but got \(0, 64\)'):
        export_onnx(Config(), 'nowhere.pth', out, shape=(0, 64))


def test_weights_of_another_detector_are_refused(save, out):
    with pytest.raises(ValueError, match='of another shape'):
        export_onnx(Config(dict(model=tiny('retinanet'))), save(tiny('retinanet', 3))[1], out)


@pytest.mark.parametrize('package', ['onnx', 'onnxruntime'])
def test_a_missing_package_ends_the_tool_with_the_command_that_installs_it(package, monkeypatch, out):
    monkeypatch.setitem(sys.modules, package, None)
    args = argparse.Namespace(debug=False)
    with pytest.raises(SystemExit, match=rf"^ImportError: .*{package}.*pip install -e '.\[onnx\]'\n"):
        set_up(lambda args: export_onnx(Config(), 'nowhere.pth', out), args)


@pytest.mark.slow
def test_the_tool_prints_names_and_shapes_or_one_message(save, out, root, tmp_path):
    config = tmp_path / 'detector.py'
    Config(dict(model=tiny('retinanet'))).dump(config)

    def start(weights):
        command = [sys.executable, '-W', 'ignore', root / 'tools/export_onnx.py', config, weights, out]
        return subprocess.run([*map(str, command), '--shape', '64', '96'], capture_output=True, text=True)

    done = start(save(tiny('retinanet'))[1])
    assert done.returncode == 0, done.stderr
    assert 'input  images: batch, 3, 64, 96\noutput  cls_scores_0: batch, 90, 8, 12\n' in done.stdout
    assert f'wrote {out}' in done.stdout and out.exists()
    refused = start('nowhere.pth')
    assert refused.returncode == 1 and 'nowhere.pth' in refused.stderr and 'Traceback' not in refused.stderr
