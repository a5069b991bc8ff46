"""One image's features on their way from the student to the teacher, all levels on one sheet."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize, PowerNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from .figures import names_of_users
from .page import MARGIN, Page
from .photos import Photo
from .recording import LevelPath
from .stages import ENDPOINTS, PATH, TARGET, Stage, stages_of

FEATURE_COLOURS, ERROR_COLOURS, BOX_COLOUR = 'viridis', 'magma', '#35e06b'
BRIGHTEST = 0.995  # share of the locations that the colours tell apart; the few above look alike
# inches: a map's width, between maps, between groups of them, the labels and the colour bars beside them
MAP, GAP, BETWEEN, LABELS, BARS = 1.25, 0.06, 0.35, 1.4, 1.15
TOP, NUMBER = 1.1, 0.36  # above the first map, below each error map
HEADINGS = {
    PATH: 'path: where the flow is at time t',
    ENDPOINTS: 'endpoints: what each step expects at t = 0',
    TARGET: 'target',
}
CAPTION = (
    'A small detector, the student, learns from a large one, the teacher. Between the two lies a learned flow: it '
    "starts at the student's features (t = 1) and changes them in small steps until t = 0, where its output should be "
    '{goal}. Every column is one moment of this. An endpoint is what one step alone expects at t = 0; the output is '
    'their mean.\n'
    'Upper row of a level: how much each location stands out (root mean square over the channels; 1 is usual). Lower '
    'row: how far it is from {target} (half the mean squared difference over the channels); the number is the mean of '
    'the map: 0 = the same, 1 = nothing in common. Every channel is first shifted and scaled to mean 0 and standard '
    'deviation 1 over the images that were drawn together, because the training leaves its scale free. All maps of a '
    'kind share one colour scale, over all levels; that of the distances follows their square root.'
)
TAUGHT = dict(goal="as close to the teacher's as possible", target="the teacher's feature")
ALONE = dict(
    goal='better for the task; here there is no teacher, and every step learns from that output',
    target='the output of the flow',
)


@names_of_users()
def draw_sheet(paths: dict[int, LevelPath], photo: Photo, index: int, taught: bool = True) -> Figure:
    """All stages of one image: a row of features and a row of errors for each level.

    Args:
        paths: level -> the path of a batch.
        photo: an image of it.
        index: its place in the batch.
        taught: whether there is a teacher; without one the target is the output of the flow.
    """
    levels = [stages_of(path, photo, index, taught) for path in paths.values()]
    sheet = Sheet(levels, photo, taught)
    sheet.draw_headings()
    for row, (level, path) in enumerate(paths.items()):
        sheet.draw_level(row, level, path)
    sheet.draw_bars()
    return sheet.page.figure


class Sheet:
    """Knows where on the page the maps stand, and the two colour scales that they share.

    Args:
        levels: the stages of every level.
        photo: the image that they are of.
        taught: whether there is a teacher.
    """

    def __init__(self, levels: list[list[Stage]], photo: Photo, taught: bool) -> None:
        self.levels, self.photo, self.taught = levels, photo, taught
        stages = [stage for level in levels for stage in level]
        self.feature_scale = Normalize(0, brightest(stage.feature for stage in stages))
        # by its square root, so that levels with small errors are not black
        self.error_scale = PowerNorm(0.5, 0, brightest(stage.error for stage in stages))
        self.map_height = MAP * photo.pixels.shape[0] / photo.pixels.shape[1]
        self.level_height = 2 * self.map_height + GAP + NUMBER
        self.lefts = place_columns(levels[0])
        self.page = Page(
            self.lefts[-1] + MAP + BARS + MARGIN,
            TOP + len(levels) * self.level_height,
            CAPTION.format_map(TAUGHT if taught else ALONE),
        )

    def draw_headings(self) -> None:
        """The title, and the names of columns and of their groups."""
        name = str(self.photo.sample.get('img_path') or '').rsplit('/', 1)[-1]
        what = 'on their way to the teacher' if self.taught else 'in a flow without a teacher (OFM-KT)'
        self.page.text(
            MARGIN, 0.18, f"The student's features {what}{name and f'  ({name})'}", fontsize=15, fontweight='bold'
        )
        for group, heading in HEADINGS.items():
            lefts = [left for left, stage in zip(self.lefts, self.levels[0]) if stage.group == group]
            if lefts:
                self.page.text(
                    (lefts[0] + lefts[-1] + MAP) / 2, TOP - 0.3, heading, ha='center', va='bottom', fontweight='bold'
                )
        for left, stage in zip(self.lefts, self.levels[0]):
            self.page.text(
                left + MAP / 2, TOP - 0.06, stage.title, ha='center', va='bottom', fontsize=9.5, parse_math=True
            )

    def draw_level(self, row: int, level: int, path: LevelPath) -> None:
        """The image and the two rows of a level."""
        top = TOP + row * self.level_height
        below = top + self.map_height + GAP
        height, width = self.levels[row][0].feature.shape
        self.page.text(MARGIN, top, f'stride {path.stride}', fontweight='bold', fontsize=12)
        self.page.text(
            MARGIN,
            top + 0.27,
            f'level {level}\n{path.target.shape[1]} channels\n{height} × {width} locations',
            fontsize=9,
        )
        self.page.text(MARGIN, below, f'distance\nto the {"teacher" if self.taught else "output"}', fontsize=9)
        self.draw_photo(top)
        for left, stage in zip(self.lefts, self.levels[row]):
            self.page.axes(left, top, MAP, self.map_height).imshow(
                stage.feature, cmap=FEATURE_COLOURS, norm=self.feature_scale, aspect='auto'
            )
            if stage.group != TARGET:
                axes = self.page.axes(left, below, MAP, self.map_height)
                axes.imshow(stage.error, cmap=ERROR_COLOURS, norm=self.error_scale, aspect='auto')
                mean = stage.error.mean()
                axes.set_xlabel('undefined' if np.isnan(mean) else f'{mean:.2g}', fontsize=9, labelpad=2)

    def draw_photo(self, top: float) -> None:
        """The image, with the boxes of its objects."""
        axes = self.page.axes(MARGIN + LABELS, top, MAP, self.map_height)
        axes.imshow(self.photo.pixels, aspect='auto')
        for left, upper, right, lower in self.photo.boxes.tolist() if self.photo.truth else ():
            axes.add_patch(Rectangle((left, upper), right - left, lower - upper, fill=False, color=BOX_COLOUR))

    def draw_bars(self) -> None:
        """The colour scales, beside the first rows that have them."""
        for row, (scale, colours, label) in enumerate(
            (
                (self.feature_scale, FEATURE_COLOURS, 'stands out\n(1 = usual)'),
                (self.error_scale, ERROR_COLOURS, 'distance\n(0 = the same)'),
            )
        ):
            axes = self.page.axes(
                self.lefts[-1] + MAP + 0.2, TOP + row * (self.map_height + GAP), 0.13, self.map_height
            )
            bar = self.page.figure.colorbar(ScalarMappable(scale, colours), cax=axes, extend='max')
            ticks = scale.inverse(np.array([0, 0.5, 1])).tolist()
            bar.set_ticks(ticks, labels=[f'{tick:.2g}' for tick in ticks], fontsize=8)
            bar.set_label(label, fontsize=9)


def place_columns(stages: list[Stage]) -> list[float]:
    """Where each column begins, right of the labels and of the image."""
    left, lefts, group = MARGIN + LABELS + MAP, [], None
    for stage in stages:
        left += GAP if stage.group == group else BETWEEN
        lefts.append(left)
        left, group = left + MAP, stage.group
    return lefts


def brightest(maps: Iterable[np.ndarray]) -> float:
    """The end of the colour scale that all these maps share."""
    values = np.concatenate([each.ravel() for each in maps])
    known = values[~np.isnan(values)]
    return max(float(np.quantile(known, BRIGHTEST)), 1e-6) if known.size else 1.0
