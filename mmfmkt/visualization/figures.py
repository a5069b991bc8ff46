"""Figures that need no screen, and their captions.

They are made without pyplot, whose figures and backend are those of the whole program.
"""

import textwrap
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

DPI = 100
CAPTION_SIZE = 9.5
LETTERS_PER_INCH = 13.5  # of a caption


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


def to_rgb(figure: Figure) -> np.ndarray:
    """The pixels of a figure, (H, W, 3) uint8."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def save(figure: Figure, file: Path) -> Path:
    """Write a figure as PNG, and return the file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file)
    return file
