"""Starting the real tools."""

import contextlib
import io
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def surroundings(**environment):
    """The tools find `python` where this test's is."""
    path = f'{Path(sys.executable).parent}{os.pathsep}{os.environ["PATH"]}'
    return dict(cwd=ROOT, text=True, env=dict(os.environ, PATH=path, OMP_NUM_THREADS='1', **environment))


def run(*command, **environment):
    """Run a program in the project's root."""
    return subprocess.run(
        [str(part) for part in command], capture_output=True, timeout=600, **surroundings(**environment)
    )


@contextlib.contextmanager
def start(*command, **environment):
    """Start a program as the first of a group of processes, and read what it prints meanwhile."""
    with subprocess.Popen(
        [str(part) for part in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        **surroundings(**environment),
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def tool(name, *arguments):
    """Start a tool of the project."""
    return run(sys.executable, '-W', 'ignore', ROOT / 'tools' / name, *arguments)


def succeed(result):
    """What a program printed, if it ended well."""
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    return result.stdout + result.stderr


def fail(result):
    """The one message of a program that was given something wrong."""
    assert result.returncode == 1 and 'Traceback' not in result.stderr and 'Epoch(train)' not in result.stdout, (
        result.stderr
    )
    return result.stderr


def refused(monkeypatch, name, *arguments):
    """The one message with which a tool stops before training, run in this process, which has imported everything."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, 'argv', [name, *map(str, arguments)])
    printed = io.StringIO()
    with pytest.raises(SystemExit) as stop, contextlib.redirect_stdout(printed):
        runpy.run_path(str(ROOT / 'tools' / name), run_name='__main__')
    assert 'Epoch(train)' not in printed.getvalue()
    return stop.value.code
