"""Operators that PyTorch or MMCV compute, and that the exporter does not write as ONNX's own."""

from typing import Any

import torch
from mmcv.ops import nms, roi_align
from torch import Tensor

Context = Any


class NonMaxSuppression(torch.autograd.Function):
    """ONNX's operator of that name, for one class.

    Of boxes (B, N, 4) as x1, y1, x2, y2 and scores (B, 1, N), the rows (image, 0, number of the box), (M, 3) int64: of
    every image at most `most` with a score above 0, the best first, none of which overlaps a better one by more than
    `iou_threshold`.
    """

    @staticmethod
    def forward(ctx: Context, boxes: Tensor, scores: Tensor, iou_threshold: float, most: int) -> Tensor:
        rows = []
        for image, (of_image, values) in enumerate(zip(boxes, scores[:, 0])):
            (there,) = torch.where(values > 0)
            _, kept = nms(of_image[there], values[there], iou_threshold)
            kept = there[kept[:most]]
            rows.append(torch.stack([torch.full_like(kept, image), torch.zeros_like(kept), kept], 1))
        return torch.cat(rows)

    @staticmethod
    def symbolic(g: Context, boxes: Tensor, scores: Tensor, iou_threshold: float, most: int) -> Tensor:
        settings = (torch.tensor([most]), torch.tensor([iou_threshold]), torch.tensor([0.0]))
        return g.op('NonMaxSuppression', boxes, scores, *(g.op('Constant', value_t=value) for value in settings))


class AlignRoIs(torch.autograd.Function):
    """ONNX's RoiAlign: of a level (B, C, H, W) the features (n, C, h, w) of RoIs (n, 5), as MMCV's computes them."""

    @staticmethod
    def forward(
        ctx: Context, level: Tensor, rois: Tensor, height: int, width: int, scale: float, ratio: int, aligned: bool
    ) -> Tensor:
        return roi_align(level, rois, (height, width), scale, ratio, 'avg', aligned)

    @staticmethod
    def symbolic(
        g: Context, level: Tensor, rois: Tensor, height: int, width: int, scale: float, ratio: int, aligned: bool
    ) -> Tensor:
        first, second, end = (g.op('Constant', value_t=torch.tensor([place])) for place in (0, 1, 5))
        images = g.op('Squeeze', g.op('Slice', rois, first, second, second), second)
        return g.op(
            'RoiAlign',
            level,
            g.op('Slice', rois, second, end, second),
            g.op('Cast', images, to_i=7),  # int64
            output_height_i=height,
            output_width_i=width,
            sampling_ratio_i=ratio,
            spatial_scale_f=scale,
            mode_s='avg',
            coordinate_transformation_mode_s='half_pixel' if aligned else 'output_half_pixel',
        )
