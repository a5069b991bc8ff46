"""How far a long work has come, and how long it will take."""

from __future__ import annotations

import io
import sys
import threading
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar('Item')


class Lines(io.TextIOBase):
    """Standard error as tqdm wants it where there is no screen: every state of the bar on a line of its own."""

    def write(self, text: str) -> int:
        if text.strip():
            print(text.strip(), file=sys.stderr, flush=True)
        return len(text)


class Progress:
    """One bar for works that may run at the same time.

    Args:
        total: the sum of all their shares.
        done: the sum of those that were finished before.
        title: what is shown before the first work.
    """

    def __init__(self, total: float, done: float = 0.0, title: str = 'starting') -> None:
        on_screen = sys.stderr.isatty()
        self.lock, self.running = threading.Lock(), list[str]()
        self.bar = tqdm(  # rounding must not carry the sum of the shares past the total
            total=total + 1e-6,
            initial=done,
            desc=title,
            smoothing=0,
            ascii=not on_screen,
            file=sys.stderr if on_screen else Lines(),
            mininterval=0.5 if on_screen else 30,
            bar_format='{percentage:3.0f}% |{bar:24}| {elapsed}, {remaining} left: {desc}',
        )

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *args: object) -> None:
        self.bar.close()

    def follow(self, title: str, share: float, work: Iterable[float]) -> None:
        """Show a work, an iterable of how much of it is done, from 0 to 1; `share` is its part of the total."""
        reached = 0.0
        self.show(self.running + [title])
        try:
            for done in work:
                self.advance(share * (done - reached))
                reached = done
            self.advance(share * (1 - reached))
        finally:
            self.show([other for other in self.running if other != title])

    def show(self, running: list[str]) -> None:
        with self.lock:
            self.running = running
            self.bar.set_description_str('; '.join(running) or 'finishing')

    def advance(self, part: float) -> None:
        with self.lock:
            self.bar.update(part)


def with_progress(title: str, items: Iterable[Item], total: int) -> Iterator[Item]:
    """The same items; a bar says how many of `total` are done."""
    with Progress(total, title=title) as progress:
        for item in items:
            yield item
            progress.advance(1)
