"""Figures that need no screen, and their captions.

They are made without pyplot, whose figures and backend are those of the whole program.
"""

import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from matplotlib import font_manager, rc_context, rcParams
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

DPI = 100
CAPTION_SIZE = 9.5
LETTERS_PER_INCH = 13.5  # of a caption
FONTS = (  # for what matplotlib's own lacks, such as Chinese, Japanese and Korean
    'Noto Sans CJK SC',
    'Noto Sans CJK JP',
    'Source Han Sans SC',
    'WenQuanYi Zen Hei',
    'Droid Sans Fallback',
    'Microsoft YaHei',
    'Yu Gothic',
    'Malgun Gothic',
    'PingFang SC',
    'Arial Unicode MS',
)


@contextmanager
def names_of_users() -> Iterator[None]:
    """For texts that users have written: two dollars are no formula, and fonts have Chinese, Japanese and Korean."""
    known = set(font_manager.get_font_names())
    families = [*rcParams['font.family'], *(font for font in FONTS if font in known)]
    with rc_context({'text.parse_math': False, 'font.family': families}):
        yield


def wrap(text: str, width: float) -> str:
    """The paragraphs of a text in lines that fit into `width` inches."""
    return '\n'.join(
        '\n'.join(textwrap.wrap(paragraph, int(LETTERS_PER_INCH * width))) for paragraph in text.splitlines()
    )


def captioned_figure(width: float, height: float, title: str, caption: str) -> Figure:
    """An empty figure of that many inches, with a title above and a caption below whatever is drawn into it."""
    figure = Figure(figsize=(width, height), dpi=DPI, layout='constrained')
    figure.suptitle(title, fontsize=13, fontweight='bold')
    figure.supxlabel(wrap(caption, width - 0.4), x=0.2 / width, ha='left', fontsize=CAPTION_SIZE)
    return figure


@names_of_users()
def to_rgb(figure: Figure) -> np.ndarray:
    """The pixels of a figure, (H, W, 3) uint8."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


@names_of_users()
def save(figure: Figure, file: Path) -> Path:
    """Write a figure as PNG, and return the file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file)
    return file
