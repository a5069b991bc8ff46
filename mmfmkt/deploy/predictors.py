"""Exported detectors that find boxes in images: an ONNX graph, or a config with a checkpoint."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import mmcv
import numpy as np

from mmfmkt.deploy.onnx.boxes import NAMES
from mmfmkt.deploy.onnx.graph import require_onnx
from mmfmkt.deploy.onnx.metadata import KEY, innermost_test_data


class Found(NamedTuple):
    """Boxes (n, 4) as x1, y1, x2, y2 in pixels of the image, scores (n,) and labels (n,), the best first."""

    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray


class OnnxPredictor:
    """A graph with boxes, as `tools/export_onnx.py --boxes` writes it. What it computes needs onnxruntime alone.

    Args:
        file: the graph.

    Attributes:
        classes: names of the labels, or None.
        color_type: as what images are read, a flag of MMCV's `imread`.

    Raises:
        ImportError: if onnxruntime is missing.
        ValueError: if the file is no such graph.
    """

    def __init__(self, file: Path) -> None:
        require_onnx()
        import onnxruntime

        try:
            self.session = onnxruntime.InferenceSession(str(file), providers=['CPUExecutionProvider'])
        except Exception as error:
            raise ValueError(f'MODEL must be an ONNX graph, but onnxruntime cannot read {file}: {error}') from error
        metadata = self.session.get_modelmeta().custom_metadata_map
        outputs = [output.name for output in self.session.get_outputs()]
        if KEY not in metadata or tuple(outputs) != NAMES:
            raise ValueError(
                f'MODEL must have boxes, as tools/export_onnx.py writes them with --boxes, but the outputs of {file} '
                f'are {", ".join(outputs[:4])}{", ..." if len(outputs) > 4 else ""}'
            )
        self.settings: dict[str, Any] = json.loads(metadata[KEY])
        self.classes: list[str] | None = self.settings['classes']
        self.color_type: str = self.settings['color_type']
        self.fixed = [size if isinstance(size, int) else None for size in self.session.get_inputs()[0].shape[2:]]

    def __call__(self, image: np.ndarray) -> Found:
        """What is in an image of uint8, (H, W) or (H, W, C), colours in the order blue, green, red."""
        inputs, scale = prepare(image, self.settings, self.fixed)
        boxes, scores, labels = (output[0] for output in self.session.run(list(NAMES), dict(images=inputs)))
        there = labels >= 0
        height, width = image.shape[:2]
        boxes = (boxes[there] / scale).clip(0, [width, height, width, height])
        return Found(boxes, scores[there], labels[there])


def prepare(
    image: np.ndarray, settings: dict[str, Any], fixed: Sequence[int | None] = (None, None)
) -> tuple[np.ndarray, np.ndarray]:
    """An image as the input (1, C, H, W) of a graph, and by how much it was enlarged, as boxes are: (4,).

    Args:
        image: (H, W) or (H, W, C) of uint8, colours in the order blue, green, red.
        settings: those of :func:`~mmfmkt.deploy.onnx.metadata.metadata_of`.
        fixed: height and width of the input where they are not free.

    Raises:
        ValueError: if the image does not fit into them.
    """
    height, width = image.shape[:2]
    if settings['size']:
        resize = mmcv.imrescale if settings['keep_ratio'] else mmcv.imresize
        how = dict(interpolation=settings['interpolation'], backend=settings['backend'])
        image = resize(image, tuple(settings['size']), **how)
    image = np.atleast_3d(image)
    scale = np.array([image.shape[1] / width, image.shape[0] / height] * 2, np.float32)
    if settings['pad']:
        size = [max(image.shape[:2])] * 2 if settings['pad'] == 'square' else settings['pad'][::-1]
        image = padded(image, size, settings['pad_value'])
    if settings['channels'] == 'rgb':
        image = image[..., ::-1]
    normal = (image.astype(np.float32) - np.float32(settings['mean'])) / np.float32(settings['std'])
    divisor = settings['divisor']
    sizes = [size or -(-pixels // divisor) * divisor for size, pixels in zip(fixed, image.shape[:2])]
    if any(size < pixels for size, pixels in zip(sizes, image.shape[:2])):
        raise ValueError(
            f'images must fit into the height and width of the graph, {sizes}, but one is {list(image.shape[:2])} '
            'after it was resized; export the graph with free sizes, without --shape'
        )
    return padded(normal, sizes, settings['fill']).transpose(2, 0, 1)[None], scale


def padded(image: np.ndarray, size: Sequence[int], value: float | Sequence[float]) -> np.ndarray:
    """An image, with pixels of one value, or one for each channel, below and at its right, up to a height and width."""
    whole = np.full((*size, image.shape[2]), value, image.dtype)
    whole[: image.shape[0], : image.shape[1]] = image
    return whole


class DetectorPredictor:
    """A config and a checkpoint with the same name, as `tools/export_student.py` writes them.

    Args:
        checkpoint: the checkpoint.

    Attributes:
        classes: names of the labels, or None.
        color_type: as what images are read, a flag of MMCV's `imread`.

    Raises:
        FileNotFoundError: if the config is not beside it.
        ValueError: if the config has no test pipeline.
    """

    def __init__(self, checkpoint: Path) -> None:
        from mmdet.apis import init_detector
        from mmengine.device import get_device

        config = checkpoint.with_suffix('.py')
        if not config.is_file():
            raise FileNotFoundError(
                f'MODEL must have its config beside it, as tools/export_student.py writes both, but {config} is not '
                'there'
            )
        self.detector = init_detector(str(config), str(checkpoint), palette='random', device=get_device())
        self.classes = (self.detector.dataset_meta or {}).get('classes')
        self.color_type = innermost_test_data(self.detector.cfg)['pipeline'][0].get('color_type', 'color')

    def __call__(self, image: np.ndarray) -> Found:
        """What is in an image of uint8, (H, W) or (H, W, C), colours in the order blue, green, red."""
        from mmdet.apis import inference_detector

        found = inference_detector(self.detector, image).pred_instances.cpu().numpy()
        return Found(found.bboxes, found.scores, found.labels)


def load_predictor(model: str) -> OnnxPredictor | DetectorPredictor:
    """The predictor of an exported file.

    Raises:
        FileNotFoundError: if the file, or the config beside a checkpoint, is not there.
        ValueError: if it is of another kind.
    """
    file = Path(model)
    kinds: dict[str, Callable[[Path], OnnxPredictor | DetectorPredictor]] = {
        '.onnx': OnnxPredictor,
        '.pth': DetectorPredictor,
    }
    if file.suffix not in kinds:
        raise ValueError(f'MODEL must be a .onnx or .pth file that an export has written, but got {model}')
    if not file.is_file():
        raise FileNotFoundError(f'MODEL must be a file, but {model} is none (current folder: {Path.cwd()})')
    return kinds[file.suffix](file)
