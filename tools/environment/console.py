"""What the set-up says, and commands that take minutes: their output goes to a log, how far they are to the screen."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

CAUSES = (  # what a command that has failed may have printed, and what that means
    (
        r'No space left on device|Errno 28|Errno 122',
        'the disk is full; free some space, or clone the project to a larger disk',
    ),
    (
        r'(?i)name resolution|name or service not known|failed to establish a new connection|network is unreachable|'
        'connection refused|connect timeout|connection timed out|proxyerror|sslerror',
        'packages cannot be downloaded; check the network, or give pip your proxy or your index (pip config)',
    ),
    (
        r'Python\.h: No such file',
        "the C headers of the environment's Python are missing; on Debian and Ubuntu: apt install python3-dev",
    ),
    (
        r'(?i)killed signal terminated|died due to signal 9|cannot allocate memory|virtual memory exhausted',
        'the compiler had not enough memory; start again with MAX_JOBS=1',
    ),
)
DOWNLOAD = re.compile(r'Downloading (\S+) \((\S+ [kMG]?B)\)')
SHARE = re.compile(r'Progress (\d+) of (\d+)')  # of a download, with pip's option --progress-bar raw
COMPILED = re.compile(r'^\s*\[(\d+)/(\d+)\]')
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def take_signals() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


def say(text: str) -> None:
    print(f'setup: {text}', flush=True)


def fail(text: str) -> None:
    sys.exit(f'setup: {text}')


class Progress:
    """How far a command has come, by the lines that it prints."""

    def __init__(self) -> None:
        self.text = ''
        self.installing = False  # has pip begun to? Until then it downloads

    def read(self, line: str) -> bool:
        """Take a line into account; is it news for a log?"""
        if match := SHARE.match(line):
            done, total = map(int, match.groups())
            self.text = f'{self.text.partition(":")[0]}: {done / max(total, 1):.0%}'
            return False
        if match := DOWNLOAD.search(line):
            self.text = f'downloading {Path(match[1]).name.split("-")[0]} ({match[2]})'
        elif match := COMPILED.match(line):
            self.text = f'{match[1]} of {match[2]} files'
        elif line.startswith('Installing collected packages'):
            self.text, self.installing = 'unpacking', True
        return True


def follow(what: str, command: list[str], log: Path, env: dict[str, str], progress: Progress | None = None) -> None:
    """Run a command; say how far it is, on a terminal all the time and elsewhere every 30 seconds.

    A command that fails ends the set-up, with the cause in one line if it is a known one. A signal that ends the set-up
    ends the command, and all that it has started.
    """
    say(what)
    progress, start, on_screen = progress or Progress(), time.monotonic(), sys.stdout.isatty()
    stop = threading.Event()

    def report() -> None:
        while not stop.wait(0.5 if on_screen else 30):
            line = f'setup: {what.partition(",")[0]}, {time.monotonic() - start:.0f} s: {progress.text or "..."}'
            print(
                f'\r\033[K{line[: shutil.get_terminal_size().columns - 1]}' if on_screen else line,
                end='' if on_screen else '\n',
                flush=True,
            )

    # A signal between the start of the command and the `try` would leave the command running: it waits until then.
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    with (
        log.open('w') as file,
        subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors='replace',
            env=env,
            start_new_session=True,
            preexec_fn=take_signals,
        ) as process,
    ):
        try:
            threading.Thread(target=report, daemon=True).start()
            take_signals()
            for line in process.stdout:
                if progress.read(line):
                    file.write(line)
        except BaseException:
            os.killpg(process.pid, signal.SIGTERM)
            for line in process.stdout:  # what it has still said
                progress.read(line)
            raise
        finally:
            stop.set()
            if on_screen:
                print('\r\033[K', end='', flush=True)
    if process.returncode:
        explain(what.partition(',')[0], log)


def explain(what: str, log: Path, remedy: str = '') -> None:
    """End the set-up with the cause of a failure, or with the end of its output, and a remedy, if it is unknown."""
    output = log.read_text(errors='replace')
    for pattern, meaning in CAUSES:
        if re.search(pattern, output):
            fail(f'{what} failed: {meaning} (all of its output: {log})')
    print(''.join(output.splitlines(keepends=True)[-20:]), file=sys.stderr)
    fail(f'{what} failed{remedy and "; "}{remedy} (all of its output: {log})')
