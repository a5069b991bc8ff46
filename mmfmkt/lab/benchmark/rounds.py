"""Models that take turns."""

from __future__ import annotations

import contextlib
import multiprocessing
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.context import BaseContext
from statistics import median
from typing import Any

from .cases import Case
from .worker import Setting, serve

KILLED = 'its process was killed: is the memory large enough?'


def processes_for(device: str) -> BaseContext:
    """How the processes of the models are started.

    On a CPU they are forked from one that has imported everything and runs no thread. CUDA does not outlive a fork, and
    importing may start it: for a GPU each of them begins anew.
    """
    if device != 'cpu':
        return multiprocessing.get_context('spawn')
    forkserver = multiprocessing.get_context('forkserver')
    forkserver.set_forkserver_preload([f'{__package__}.worker'])
    return forkserver


@dataclass
class Result:
    """What was measured of a case.

    Attributes:
        case: the case.
        rounds: seconds of every iteration after the warm-up, in all ('total') and in each phase.
        ratios: those of the seconds to the reference's in the same round.
        memory: the peak, in bytes.
        flops: floating-point operations of an iteration in each phase.
        rates: those per second of a matrix product, of the reference alone.
        error: what went wrong.
    """

    case: Case
    rounds: list[dict[str, float]] = field(default_factory=list)
    ratios: list[float] = field(default_factory=list)
    memory: int = 0
    flops: dict[str, int] = field(default_factory=dict)
    rates: dict[str, float] = field(default_factory=dict)
    error: str | None = None

    @property
    def phases(self) -> dict[str, float]:
        """The median of each phase, in seconds."""
        names = {name for spent in self.rounds for name in spent} - {'total'}
        return {name: median(spent.get(name, 0) for spent in self.rounds) for name in names}


class Client:
    """A worker as its parent sees it."""

    def __init__(self, case: Case, setting: Setting) -> None:
        self.result, processes = Result(case), processes_for(setting.device)
        self.connection, end = processes.Pipe()
        self.process = processes.Process(target=serve, args=(end, case, setting), daemon=True)
        self.process.start()
        end.close()

    def prepare(self) -> None:
        """Wait until the model is built, and measure its memory."""
        self.receive()
        self.result.memory = self.ask('memory') or 0

    def ask(self, request: str) -> Any:
        """The answer of the worker; None if something is or was wrong with it."""
        if self.result.error:
            return None
        try:
            self.connection.send(request)
        except OSError:
            self.result.error = KILLED
            return None
        return self.receive()

    def receive(self) -> Any:
        try:
            answer, self.result.error = self.connection.recv()
        except (EOFError, OSError):
            answer, self.result.error = None, KILLED
        return answer

    def close(self) -> None:
        with contextlib.suppress(OSError):  # it may have been killed
            self.connection.send(None)
        self.process.join()


def run_cases(
    cases: list[Case], setting: Setting, rounds: int, at_once: int, say: Callable[[str], Any]
) -> list[Result]:
    """Let groups of models take turns, each together with the first of all, which is the reference.

    The first round of a group is a warm-up. In every further one each of its models has an iteration, so that what else
    the machine does meets all of them; ratios are those of iterations of one round.

    Args:
        cases: what is compared, the reference first.
        setting: what they share.
        rounds: how many are counted.
        at_once: models in memory at one time, at least 2.
        say: is told about the progress.

    Raises:
        RuntimeError: if the reference does not run.
    """
    reference, results = Client(cases[0], setting), []
    reference.prepare()
    if reference.result.error:
        raise RuntimeError(
            f'{cases[0].name}, which all others are compared with, does not run: {reference.result.error}; its '
            f'log is in {setting.logs}'
        )
    others, size = cases[1:], at_once - 1
    for group in [others[first : first + size] for first in range(0, len(others), size)] or [[]]:
        say(f'building {", ".join(case.name for case in group or cases)}')
        clients = [Client(case, setting) for case in group]
        for client in clients:
            client.prepare()
        for number in range(rounds + 1):
            say(f'round {number} of {rounds}' if number else 'warm-up')
            take_turns(reference, clients, number)
        results += [finished(client) for client in clients]
    reference.result.rates = reference.ask('matmul_rates')
    return [finished(reference), *results]


def take_turns(reference: Client, clients: list[Client], number: int) -> None:
    """An iteration of each; those of round 0 do not count. Each is the first in some round."""
    everyone = [reference, *clients]
    start = number % len(everyone)
    spent = {client: client.ask('run') for client in everyone[start:] + everyone[:start]}
    for client in everyone if number else []:
        if spent[client] and spent[reference]:
            client.result.rounds.append(spent[client])
            client.result.ratios.append(spent[client]['total'] / spent[reference]['total'])


def finished(client: Client) -> Result:
    """The result of a client, with what is measured last."""
    client.result.flops = client.ask('flops') or {}
    client.close()
    return client.result
