"""The teacher: built, loaded and checked once, then only read."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from mmengine.logging import print_log
from torch import Tensor, nn

from mmfmkt.common.building import build_detector
from mmfmkt.common.checkpoints import load_exactly, read_checkpoint, trained_classes
from mmfmkt.common.config_files import read_detector_config
from mmfmkt.common.memory_layout import channels_last
from mmfmkt.common.precision import autocast, chosen_dtype
from mmfmkt.detectors.channels import check_channels, image_channels
from mmfmkt.detectors.comparable_heads import heads_of
from mmfmkt.detectors.pyramid import find_source
from mmfmkt.models.recorders.recorded_heads import run_heads

from .feature_cache import FeatureCache
from .teacher_inference import TeacherInference, difference, try_preparing
from .teacher_inputs import FitToStudent, TeacherInputs
from .timm_teacher import TimmTeacher


def load_strictly(detector: nn.Module, checkpoint: str | None) -> dict:
    """Load every weight of `detector` from a file or address, and return the whole checkpoint.

    Raises:
        ValueError: if there is no checkpoint, if it cannot be read, or if it belongs to another detector; the message
            lists the keys.
        FileNotFoundError: if the file is not there.
        ConnectionError: if the address cannot be reached.
    """
    if isinstance(detector, TimmTeacher):
        detector.load(checkpoint)
        return {}
    if not checkpoint:
        raise ValueError(
            f'`teacher_ckpt` must be a file or an address of the trained teacher, but got {checkpoint!r}; '
            'a teacher with random weights has nothing to teach'
        )
    weights, loaded = read_checkpoint(checkpoint, '`teacher_ckpt`')
    load_exactly(
        detector,
        weights,
        f'`teacher_ckpt` {checkpoint}',
        "Give the checkpoint that was trained with the teacher's config",
    )
    print_log(
        f'the teacher {type(detector).__name__} has {len(detector.state_dict())} weights, all from {checkpoint}',
        'current',
    )
    return loaded


class FrozenTeacher:
    """A trained detector, or a network of timm, of which only what is needed runs, in eval mode and without gradients.

    It is not an `nn.Module`: a module that has it as an attribute shows it in no state dict and gives it to no
    optimizer or DDP bucket, and a deep copy of that module (an EMA model, say) has none.

    Args:
        config: a config file, a 'package::' config or a config dict.
        checkpoint: file or address of its weights.
        student_preprocessor: the data preprocessor that makes its images.
        inference: arguments of :class:`TeacherInference`, by which backbone and neck run once they are prepared.

    Attributes:
        detector: the detector itself.
        classes: the names of the classes that it was trained on, if its checkpoint says so.
    """

    def __init__(
        self,
        config: str | dict | None,
        checkpoint: str | None,
        student_preprocessor: nn.Module,
        inference: dict | None = None,
    ) -> None:
        self.inference = TeacherInference(**inference or {})
        self.running: TeacherInference | None = None
        self.dtype: torch.dtype | None = None
        self.stream: torch.cuda.Stream | None = None
        self.cache: FeatureCache | None = None
        self.detector = build_detector(read_detector_config(config))
        self.classes = trained_classes(load_strictly(self.detector, checkpoint))
        self.detector.eval().requires_grad_(False)
        self.inputs, self.fit = TeacherInputs(student_preprocessor, self.detector.data_preprocessor), FitToStudent()
        # before any recorder's hook, which then sees what this one leaves
        getattr(self.detector, find_source(self.detector)).register_forward_hook(self.fit)

    def check_images(self, student: nn.Module, preprocessor: nn.Module) -> None:
        """Raise a ValueError if what a student's preprocessor makes of an image cannot be made the teacher's image."""
        check_channels(student, self.detector)
        self.inputs.check(preprocessor, self.detector.data_preprocessor, image_channels(student))

    def __deepcopy__(self, memo: dict) -> None:
        return None

    def apply_to_tensors(self, fn: Callable[[Tensor], Tensor]) -> None:
        """What `nn.Module._apply` does to the tensors of a model: moving them to a device, say."""
        self.detector._apply(fn)
        self.inputs._apply(fn)

    def extract_features(self, images: Tensor, data_samples: list | None = None) -> tuple[Tensor, ...]:
        """Run backbone and neck on images (B, 3, H, W) of the student; recorders see what they see."""
        features = self.start(images, data_samples)
        self.wait_for(features)
        return features

    @torch.no_grad()
    def start(self, images: Tensor, data_samples: list | None = None) -> tuple[Tensor, ...]:
        """As `extract_features`; with a stream of its own nobody must read the features before `wait_for`."""
        if self.running and self.running.side_stream and images.is_cuda:
            self.stream = self.stream or torch.cuda.Stream(images.device)
            self.stream.wait_stream(torch.cuda.current_stream(images.device))  # for the images
        with torch.cuda.stream(self.stream):  # which does nothing for None
            if self.cache:
                return self.read_or_compute(self.cache, images, data_samples)
            return self.compute(images, data_samples)

    def compute(self, images: Tensor, data_samples: list | None) -> tuple[Tensor, ...]:
        of_teacher = self.inputs(images, data_samples)
        if self.running and self.running.channels_last:
            of_teacher = channels_last(of_teacher)
        with self.fit.fitting(images, of_teacher), autocast(self.dtype, images.device):
            return self.detector.extract_feat(of_teacher)

    def read_or_compute(self, cache: FeatureCache, images: Tensor, data_samples: list | None) -> tuple[Tensor, ...]:
        shapes = [sample.get('img_shape') for sample in data_samples] if data_samples else [None] * len(images)
        files = cache.files(images, shapes)
        features = cache.read(files, like=images)
        if features is None:
            features = self.compute(images, data_samples)
            cache.write(files, features, self.dtype)
            return features
        source = getattr(self.detector, find_source(self.detector))
        forward, source.forward = source.forward, lambda *args: features
        try:
            return source(images)  # as a call, which its recorders see
        finally:
            source.forward = forward

    def wait_for(self, features: Sequence[Tensor]) -> None:
        """Let what comes next in the current stream wait for features of the teacher's."""
        if self.stream is not None:
            current = torch.cuda.current_stream(features[0].device)
            current.wait_stream(self.stream)
            for feature in features:
                feature.record_stream(current)  # their memory is not given away before it is read

    def prepare(self, images: Tensor, data_samples: list | None = None) -> None:
        """Change backbone and neck for inference; these images, of the first batch, show whether it went well."""
        parts = [
            part for part in (getattr(self.detector, name, None) for name in ('backbone', 'neck')) if part is not None
        ]
        with torch.autocast(images.device.type, enabled=False):
            expected = self.extract_features(images, data_samples)
        for running in self.inference.choices():
            self.running, self.dtype = running, chosen_dtype(running.precision, images.device)
            if try_preparing(
                parts, running, self.dtype, lambda: difference(self.extract_features(images, data_samples), expected)
            ):
                break
        else:
            self.running = self.dtype = None
        if running.cache:
            how = (self.dtype, running.fold_bn, running.channels_last, self.inputs.settings)
            self.cache = FeatureCache(running.cache, [*parts, self.inputs, how], running.cache_gb)

    def drop_heads(self, keep: Sequence[str]) -> None:
        """Free the memory of heads that do not run, all but these."""
        for name in set(heads_of(self.detector)) - set(keep):
            delattr(self.detector, name)

    @torch.no_grad()
    def run_heads(self, heads: list[str], features: tuple[Tensor, ...], rois: Tensor | None) -> None:
        """Run heads; see :func:`~mmfmkt.models.recorders.recorded_heads.run_heads`."""
        run_heads(self.detector, heads, features, rois)
