"""Scenes of real handwritten digits as a small COCO detection data set.

The glyphs are the 1,797 scans of 8x8 pixels that scikit-learn ships as `load_digits`. They are set into cluttered
scenes with fragments of other digits as distractors. The splits use disjoint glyphs, and the random numbers of a scene
depend on the seed, the split and its index alone, so the same seed gives the same scenes and boxes; pixels may differ
in their last digits between machines. What is tuned is tuned on val; what is reported is measured on test.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from mmfmkt.common.files import write_whole

CLASSES = tuple('0123456789')
IMAGE_SIZE = 128
DIGIT_SIZES = (14, 90)  # height of a digit in pixels, log-uniform
DIGITS_PER_SCENE = (2, 6)
FRAGMENTS_PER_SCENE = (3, 7)
MAX_OVERLAP = 0.35  # of the smaller of two boxes
SPLITS = ('train', 'val', 'test')
HELD_OUT = 5  # every fifth scan belongs to val or test, in turns


@dataclass(frozen=True)
class Glyph:
    """One scan: `ink` is (8, 8) in [0, 1], `label` the index into `CLASSES`."""

    ink: np.ndarray
    label: int


def load_glyphs(split: str) -> list[Glyph]:
    """The scans of one split; no two splits share one."""
    from sklearn.datasets import load_digits  # needed to make the data, not to train on them

    digits = load_digits()
    numbers = np.arange(len(digits.target))
    held_out, turn = numbers % HELD_OUT == 0, numbers // HELD_OUT % 2
    chosen = np.flatnonzero(~held_out if split == 'train' else held_out & (turn == SPLITS.index(split) - 1))
    return [Glyph((digits.images[i] / 16).astype(np.float32), int(digits.target[i])) for i in chosen]


def draw_mask(ink: np.ndarray, height: int, angle: float) -> np.ndarray:
    """Enlarge a scan to about `height` pixels, turn it by `angle` degrees and crop it to its ink: (h, w) in [0, 1]."""
    side = max(2, round(height * 1.15))  # the ink of a scan fills most, not all, of its 8 rows
    large = cv2.resize(ink, (side, side), interpolation=cv2.INTER_CUBIC)
    padded = cv2.copyMakeBorder(large, *[side // 4] * 4, cv2.BORDER_CONSTANT, value=0)
    centre = (padded.shape[1] / 2, padded.shape[0] / 2)
    turned = cv2.warpAffine(padded, cv2.getRotationMatrix2D(centre, angle, 1), padded.shape[::-1])
    mask = 1 / (1 + np.exp(-12 * (turned - 0.45)))
    rows, columns = (np.flatnonzero((mask > 0.5).any(axis=axis)) for axis in (1, 0))
    return mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def draw_background(rng: np.random.Generator) -> np.ndarray:
    """Smooth colours, stripes and random strokes: (H, W, 3) in [0, 255]."""
    size = IMAGE_SIZE
    canvas = np.zeros((size, size, 3), np.float32)
    for cells, strength in ((4, 40), (12, 14), (40, 6)):
        coarse = rng.uniform(-1, 1, (cells, cells, 3)).astype(np.float32)
        canvas += strength * cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC)
    canvas += rng.uniform(40, 130, 3)
    for _ in range(rng.integers(2, 7)):
        points = rng.integers(0, size, (int(rng.integers(2, 5)), 1, 2)).astype(np.int32)
        colour = tuple(float(value) for value in rng.uniform(0, 255, 3))
        cv2.polylines(canvas, [points], bool(rng.integers(2)), colour, int(rng.integers(1, 7)), cv2.LINE_AA)
    return canvas


def paste(canvas: np.ndarray, mask: np.ndarray, corner: tuple[int, int], rng: np.random.Generator) -> None:
    """Blend `mask` onto `canvas` at `corner` (x, y) in a random colour that is lighter than what is under it."""
    x, y = corner
    region = canvas[y : y + mask.shape[0], x : x + mask.shape[1]]
    tint = rng.uniform(0.2, 1, 3)
    colour = np.minimum(region.mean(axis=(0, 1)) + rng.uniform(60, 170) * tint / tint.max(), 255)
    region += mask[..., None] * (colour - region)


def cut_fragment(mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A random corner piece of a digit, too small to be read as one."""
    height, width = mask.shape
    cut_h, cut_w = (max(2, round(side * rng.uniform(0.35, 0.6))) for side in (height, width))
    y, x = rng.integers(0, height - cut_h + 1), rng.integers(0, width - cut_w + 1)
    return mask[y : y + cut_h, x : x + cut_w]


def random_corner(mask: np.ndarray, rng: np.random.Generator) -> tuple[int, int]:
    return tuple(int(rng.integers(0, IMAGE_SIZE - side + 1)) for side in (mask.shape[1], mask.shape[0]))


def overlap(box: list[int], other: list[int]) -> float:
    """Intersection of two (x, y, w, h) boxes over the area of the smaller one."""
    width = min(box[0] + box[2], other[0] + other[2]) - max(box[0], other[0])
    height = min(box[1] + box[3], other[1] + other[3]) - max(box[1], other[1])
    return max(width, 0) * max(height, 0) / min(box[2] * box[3], other[2] * other[3])


def draw_scene(glyphs: list[Glyph], rng: np.random.Generator) -> tuple[np.ndarray, list[tuple[list[int], int]]]:
    """One scene: the image (H, W, 3) uint8 and its objects as ((x, y, w, h), label)."""
    canvas = draw_background(rng)
    for _ in range(rng.integers(*FRAGMENTS_PER_SCENE, endpoint=True)):
        glyph = glyphs[rng.integers(len(glyphs))]
        fragment = cut_fragment(draw_mask(glyph.ink, int(rng.integers(18, 70)), rng.uniform(0, 360)), rng)
        paste(canvas, fragment, random_corner(fragment, rng), rng)
    objects = []
    for _ in range(rng.integers(*DIGITS_PER_SCENE, endpoint=True)):
        glyph = glyphs[rng.integers(len(glyphs))]
        mask = draw_mask(glyph.ink, round(np.exp(rng.uniform(*np.log(DIGIT_SIZES)))), rng.uniform(-15, 15))
        for _ in range(8):  # tries to find a free place
            x, y = random_corner(mask, rng)
            box = [x, y, mask.shape[1], mask.shape[0]]
            if all(overlap(box, other) <= MAX_OVERLAP for other, _ in objects):
                paste(canvas, mask, (x, y), rng)
                objects.append((box, glyph.label))
                break
    canvas = cv2.GaussianBlur(canvas, (0, 0), rng.uniform(0.3, 0.8))
    canvas += rng.normal(0, rng.uniform(2, 9), canvas.shape)
    return np.clip(canvas, 0, 255).astype(np.uint8), objects


def make_split(root: Path, split: str, num_images: int, seed: int) -> Iterator[float]:
    """Write `num_images` scenes to `root/split` and their boxes to `root/annotations/split.json`.

    Yields:
        The share that is done, from 0 to 1.

    Raises:
        ValueError: if the split would have no image.
        OSError: if an image cannot be written.
    """
    if num_images < 1:
        raise ValueError(f'the number of {split} images must be at least 1, but got {num_images}')
    glyphs = load_glyphs(split)
    (root / split).mkdir(parents=True, exist_ok=True)
    images, annotations = [], []
    for index in range(num_images):
        rng = np.random.default_rng([seed, SPLITS.index(split), index])
        canvas, objects = draw_scene(glyphs, rng)
        name = f'{index:06d}.jpg'
        if not cv2.imwrite(str(root / split / name), canvas, [cv2.IMWRITE_JPEG_QUALITY, 92]):
            raise OSError(f'could not write {root / split / name}; is the disk full or the folder read-only?')
        images.append(dict(id=index, file_name=name, width=IMAGE_SIZE, height=IMAGE_SIZE))
        for box, label in objects:
            annotations.append(
                dict(
                    id=len(annotations) + 1,  # from 1: the COCO evaluation takes 0 for "no match"
                    image_id=index,
                    category_id=label,
                    bbox=box,
                    area=box[2] * box[3],
                    iscrowd=0,
                )
            )
        yield (index + 1) / num_images
    categories = [dict(id=label, name=name) for label, name in enumerate(CLASSES)]
    # written last and at once, so that it stands for a complete split
    write_whole(
        root / 'annotations' / f'{split}.json',
        json.dumps(dict(images=images, annotations=annotations, categories=categories)),
    )
