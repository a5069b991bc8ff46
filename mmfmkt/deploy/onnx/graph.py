"""From a config and a checkpoint to a file with an ONNX graph."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from mmengine.config import Config
from torch import Tensor

from mmfmkt.deploy.detector import deployed_config, student_weights
from mmfmkt.deploy.export import load_detector
from mmfmkt.detectors.channels import image_channels
from mmfmkt.models.flows.pyramid_flow import find_flows

from .boxes import box_outputs
from .metadata import metadata_of, write_metadata
from .outputs import dense_outputs
from .trace import trace
from .verify import verify
from .verify_boxes import verify_boxes

if TYPE_CHECKING:  # an option of the installation
    from onnx import ModelProto

STRIDE = 32  # detectors that pad nothing may read multiples of it alone
FREE_SIZE = (192, 256)  # what is traced if H and W are free; its pyramid has room for the 900 queries of DINO
LARGER = 160  # pixels by which the size is larger that is tried then: even a level of stride 128 grows


def export_onnx(
    cfg: Config, checkpoint: str, out: str, shape: Sequence[int] | None = None, boxes: bool = False
) -> tuple[dict, float]:
    """Write the deployed detector as an ONNX graph, once onnxruntime has computed with it what PyTorch computes.

    The input is `images`, (B, C, H, W), float32, normalised and padded as the data preprocessor does; B is free. The
    outputs are those of :func:`~mmfmkt.deploy.onnx.outputs.dense_outputs`, or with `boxes` those of
    :func:`~mmfmkt.deploy.onnx.boxes.box_outputs`; the file then says itself how images become inputs, see
    :func:`~mmfmkt.deploy.onnx.metadata.metadata_of`.

    Args:
        cfg: config of a distillation run, whose student is taken, or of a detector.
        checkpoint: a checkpoint of it.
        out: the file to write.
        shape: H and W, rounded up to a multiple of what the data preprocessor pads to. By default they are free.
        boxes: whether the graph decodes boxes and has the NMS in it.

    Returns:
        Name -> shape of the input and of the outputs, with names for the free axes, and the largest deviation found: a
        share of the largest value of an output, or, of boxes, of the longer side of the images.

    Raises:
        ImportError: if onnx or onnxruntime is missing.
        FileNotFoundError: if the checkpoint is not there.
        ValueError: if the detector has no dense head, if its boxes or its test pipeline cannot be in a graph, or if
            `shape` is not positive.
        RuntimeError: if the checkpoint's weights are not exactly those of the detector, if an operator cannot be
            exported, or if the graph does not run or deviates.
    """
    require_onnx()
    if shape and min(shape) < 1:
        raise ValueError(f'`shape` must be a height and a width of at least 1, but got {tuple(shape)}')
    deployed = deployed_config(cfg, checkpoint)
    detector = load_detector(deployed.model, student_weights(checkpoint)[0])
    for flow in find_flows(detector):
        flow.precision = 'float32'  # there are operators that have no other in onnxruntime
    metadata = metadata_of(deployed, detector) if boxes else {}
    padding = getattr(detector.data_preprocessor, 'pad_size_divisor', 1)
    traced, other = draw_batches(shape, padding, image_channels(detector))
    free = {0: 'batch'} if shape else {0: 'batch', 2: 'height', 3: 'width'}
    compute, compare = (box_outputs, verify_boxes) if boxes else (dense_outputs, verify)
    with torch.no_grad():
        outputs, other_outputs = compute(detector, traced), compute(detector, other)
        model = trace(detector, compute, traced, free, list(outputs))
        shapes = dict(
            images=[free.get(axis, size) for axis, size in enumerate(traced.shape)], **free_axes(outputs, other_outputs)
        )
        state_shapes(model, shapes)
        try:
            largest = compare(detector, model, other)
        except RuntimeError as error:
            advice = '' if shape else '; fixed height and width (--shape H W) may help'
            raise RuntimeError(f'{error}; nothing was written{advice}') from error
    if boxes:
        write_metadata(model, metadata)
    Path(out).parent.mkdir(parents=True, exist_ok=True)
    Path(out).write_bytes(model.SerializeToString())
    return shapes, largest


def require_onnx() -> None:
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
    except ImportError as error:
        raise ImportError(f"{error}; an export needs it: pip install -e '.[onnx]'") from error


def draw_batches(shape: Sequence[int] | None, padding: int, channels: int) -> list[Tensor]:
    """Two random images to trace, then one, larger if the size is free, which shows what has become a constant."""
    divisor, more = (padding, 0) if shape else (math.lcm(padding, STRIDE), LARGER)
    generator = torch.Generator().manual_seed(0)
    sizes = [[-(-(pixels + step) // divisor) * divisor for pixels in shape or FREE_SIZE] for step in (0, more)]
    return [torch.randn(batch, channels, *size, generator=generator) for batch, size in zip((2, 1), sizes)]


def free_axes(one: dict[str, Tensor], other: dict[str, Tensor]) -> dict[str, list[int | str]]:
    """Name -> shape of the outputs of two runs, with names for the axes in which they differ."""
    shapes = {}
    for name, tensor in one.items():
        sizes = list(zip(tensor.shape, other[name].shape))
        free = [axis for axis, (size, changed) in enumerate(sizes) if size != changed]
        names = {axis: f'{name}_axis_{axis}' if place else 'batch' for place, axis in enumerate(free)}
        shapes[name] = [names.get(axis, size) for axis, (size, _) in enumerate(sizes)]
    return shapes


def state_shapes(model: 'ModelProto', shapes: dict[str, list[int | str]]) -> None:
    """Write the shapes of the outputs into the graph: PyTorch gives axes that were of one size one name."""
    import onnx

    for output in model.graph.output:
        dtype = output.type.tensor_type.elem_type
        output.CopyFrom(onnx.helper.make_tensor_value_info(output.name, dtype, shapes[output.name]))
