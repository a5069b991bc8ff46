"""From a detector to a graph, with PyTorch's exporter."""

import io
import os
import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from unittest import mock

import torch
from mmdet.models import BaseDetector
from mmdet.models.backbones.swin import ShiftWindowMSA
from torch import Tensor

from mmfmkt.compat import tracing_exporter

from .outputs import Outputs, TracedDetector
from .verify import first_sentence

if TYPE_CHECKING:  # an option of the installation
    from onnx import ModelProto

OPSET = 17


def trace(
    detector: BaseDetector, outputs: Outputs, images: Tensor, free: dict[int, str], names: list[str]
) -> 'ModelProto':
    """The graph of what a detector makes of images, with the names of their free axes and of the outputs.

    Of PyTorch's exporters it is the older one, which traces. The newer one fails on Deformable DETR and DINO, and is
    slower.

    Raises:
        RuntimeError: if an operator cannot be exported.
    """
    import onnx

    file: Any = io.BytesIO()
    try:
        with quietly(), mock.patch.object(ShiftWindowMSA, 'window_reverse', join_windows):
            torch.onnx.export(
                TracedDetector(detector, outputs),
                (images,),
                file,
                opset_version=OPSET,
                input_names=['images'],
                output_names=names,
                dynamic_axes=dict(images=free),
                **tracing_exporter(),
            )
        model = onnx.load_model_from_string(file.getvalue())
        for node in model.graph.node:
            if node.domain:
                raise NotImplementedError(f'ONNX has no {node.domain}::{node.op_type}')
    except Exception as error:
        operator = re.search(r'occurred when translating (\w+)', str(error))
        reason = f'ONNX has no {operator[1]}' if operator else first_sentence(error)
        raise RuntimeError(f'{type(detector).__name__} cannot be exported: {reason}') from error
    return model


@contextmanager
def quietly() -> Iterator[None]:
    """Nothing is printed: PyTorch warns of every size that is compared, not only from Python, and shows what fails."""
    sys.stdout.flush()
    streams = {stream: os.dup(stream) for stream in (1, 2)}
    with open(os.devnull, 'w') as nowhere:
        for stream in streams:
            os.dup2(nowhere.fileno(), stream)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            yield
    finally:
        for stream, saved in streams.items():
            os.dup2(saved, stream)
            os.close(saved)


def join_windows(attention: ShiftWindowMSA, windows: Tensor, height: int, width: int) -> Tensor:
    """Windows (B * N, S, S, C) -> maps (B, H, W, C), as mmdet's `window_reverse`, in which B becomes a constant."""
    side, channels = windows.shape[1], windows.shape[3]
    grid = windows.view(-1, height // side, width // side, side, side, channels)
    return grid.transpose(2, 3).reshape(-1, height, width, channels)
