"""Does onnxruntime compute with the graph what PyTorch computes with the detector?"""

import copy
import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING
from unittest import mock

import torch
from mmdet.models import BaseDetector
from torch import Tensor

from .outputs import dense_outputs

if TYPE_CHECKING:  # an option of the installation
    from onnx import ModelProto

TOLERANCE = 1e-3  # of an output's largest value; rounding makes 1e-6 of it, and 1e-4 after the tanh of large values


def verify(detector: BaseDetector, model: 'ModelProto', images: Tensor) -> float:
    """The largest deviation of the graph's outputs from the detector's, on images (B, 3, H, W).

    Raises:
        RuntimeError: if the graph does not run, or if an output deviates by more than the tolerance.
    """
    found, chosen = run_graph(model, images)
    with choosing(chosen):
        wanted = dense_outputs(detector, images)
    deviations = {name: deviation(found[name], wanted[name]) for name in wanted}
    name = max(deviations, key=deviations.__getitem__)
    if deviations[name] > TOLERANCE:
        raise RuntimeError(
            f'the exported graph is wrong: on images of shape {tuple(images.shape)} its output {name} '
            f"differs from PyTorch's by {deviations[name]:.1e} of the largest value, more than "
            f'{TOLERANCE:.0e}'
        )
    return deviations[name]


def deviation(found: Tensor, wanted: Tensor) -> float:
    """The largest difference as a share of the largest value; infinite if it is not a number, or if shapes differ."""
    if found.shape != wanted.shape:
        return math.inf
    share = (found - wanted).abs().max() / wanted.abs().max().clamp(min=1e-9)
    return share.nan_to_num(nan=math.inf).item()


def run_graph(model: 'ModelProto', images: Tensor) -> tuple[dict[str, Tensor], list[Tensor]]:
    """The outputs, name -> tensor, and the indices that each top-k in the graph has chosen.

    Raises:
        RuntimeError: if onnxruntime cannot run the graph.
    """
    import onnx
    import onnxruntime

    names = [output.name for output in model.graph.output]
    indices = [node.output[1] for node in model.graph.node if node.op_type == 'TopK']
    model = copy.deepcopy(model)
    for name in indices:
        model.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.INT64, None))
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what it logs is raised as well
    try:
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=['CPUExecutionProvider'])
        arrays = session.run(names + indices, dict(images=images.numpy()))
    except Exception as error:
        raise RuntimeError(f'onnxruntime cannot run the exported graph: {first_sentence(error)}') from error
    tensors = [torch.from_numpy(array) for array in arrays]
    return dict(zip(names, tensors)), tensors[len(names) :]


@contextmanager
def choosing(chosen: Sequence[Tensor]) -> Iterator[None]:
    """Let `torch.topk` choose what the graph has chosen, where that is as good.

    Two-stage DETRs choose their queries so. Two scores that rounding swaps give two queries other boxes, which is no
    error of the graph.
    """
    topk, choices = torch.topk, iter(chosen)

    def topk_as_chosen(scores: Tensor, k: int, dim: int = -1) -> tuple[Tensor, Tensor]:
        best, indices = topk(scores, k, dim)
        choice = next(choices)
        values = scores.gather(dim, choice)
        return (values, choice) if deviation(values, best) <= TOLERANCE else (best, indices)

    with mock.patch.object(torch, 'topk', topk_as_chosen):
        yield


def first_sentence(error: Exception) -> str:
    return re.split(r'\. |\n', str(error))[0][:200]
