"""A page on which things are placed in inches from the upper left corner, like print."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .figures import CAPTION_SIZE, DPI, wrap

MARGIN, LINE = 0.25, 0.175  # inches: around everything, a line of the caption


class Page:
    """A figure as wide as it is told, and as high as its content and its caption."""

    def __init__(self, width: float, content_height: float, caption: str) -> None:
        self.caption, self.width = wrap(caption, width - 2 * MARGIN), width
        self.height = content_height + 2 * MARGIN + LINE * len(self.caption.splitlines())
        self.figure = Figure(figsize=(self.width, self.height), dpi=DPI)
        self.text(MARGIN, self.height - MARGIN, self.caption, va='bottom', fontsize=CAPTION_SIZE, linespacing=1.3)

    def axes(self, left: float, top: float, width: float, height: float) -> Axes:
        """Axes without ticks."""
        axes = self.figure.add_axes(
            (left / self.width, 1 - (top + height) / self.height, width / self.width, height / self.height)
        )
        axes.set_xticks([])
        axes.set_yticks([])
        return axes

    def text(self, left: float, top: float, text: str, **style) -> None:
        """A text whose upper left corner is there, unless `style`, arguments of matplotlib's text, says otherwise."""
        self.figure.text(left / self.width, 1 - top / self.height, text, **{'va': 'top', 'linespacing': 1.3, **style})
