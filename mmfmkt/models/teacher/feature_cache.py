"""The teacher's features on disk, for images that come back."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import torch
from mmengine.dist import get_world_size
from torch import Tensor, nn

from mmfmkt.common.files import finish, while_written

GB = 10**9


class FeatureCache:
    """Keeps the pyramids that a teacher makes of single images, by the content of the image.

    An image is known again if each of its pixels and its padding are as they were, so that no augmentation is
    forbidden, and those gain that make few different images: none, or flips. Of a batch in which one image is new,
    nothing is used.

    Args:
        folder: where they are kept; every teacher has a folder of its own in it.
        teacher: what its name is made of: modules with their weights, and how they run.
        max_gb: nothing is added to a folder that has more of them. All processes write to it, and each counts
            as if the others had written as much as itself.
    """

    def __init__(self, folder: str, teacher: Sequence[object], max_gb: float) -> None:
        self.folder, self.max_bytes = Path(folder) / digest(*map(content, teacher)), max_gb * GB
        self.folder.mkdir(parents=True, exist_ok=True)
        self.bytes = sum(file.stat().st_size for file in self.folder.glob('*.pth'))

    def files(self, images: Tensor, shapes: Sequence[tuple | None]) -> list[Path]:
        """The file of each image (B, 3, H, W), whose size without padding is in `shapes`."""
        return [self.folder / f'{digest(content(image), content(shape))}.pth' for image, shape in zip(images, shapes)]

    def read(self, files: Sequence[Path], like: Tensor) -> tuple[Tensor, ...] | None:
        """The pyramid of a batch, on the device and in the precision of a tensor; None if an image is new."""
        if not all(file.exists() for file in files):
            return None
        pyramids = [torch.load(file, map_location=like.device, weights_only=True) for file in files]
        return tuple(torch.cat(level).to(like.dtype) for level in zip(*pyramids))

    def write(self, files: Sequence[Path], pyramid: Sequence[Tensor], dtype: torch.dtype | None) -> None:
        """Keep the pyramid of each image of a batch, in the precision in which the teacher has computed it."""
        for number, file in enumerate(files):
            if self.bytes < self.max_bytes and not file.exists():
                unfinished = while_written(file)
                torch.save(
                    [level[number : number + 1].to(dtype or level.dtype, copy=True).cpu() for level in pyramid],
                    unfinished,
                )
                self.bytes += unfinished.stat().st_size * get_world_size()
                finish(unfinished, file)


def content(value: object) -> bytes:
    """What distinguishes a tensor, the weights of a module, or anything else with a readable name."""
    if isinstance(value, nn.Module):
        return repr(value).encode() + b''.join(map(content, value.state_dict().values()))
    if isinstance(value, Tensor):
        return (
            str(tuple(value.shape)).encode()
            + value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes()
        )
    return repr(value).encode()


def digest(*parts: bytes) -> str:
    return hashlib.blake2b(b'\n'.join(parts), digest_size=16).hexdigest()
