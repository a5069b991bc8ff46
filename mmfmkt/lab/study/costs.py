"""What an iteration of every training costs, measured by models that take turns while the study runs nothing else."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stdout
from pathlib import Path
from statistics import median

import torch
from mmdet.registry import DATASETS
from mmengine.registry import init_default_scope

from mmfmkt.common.files import write_whole
from mmfmkt.lab.benchmark.cases import Case
from mmfmkt.lab.benchmark.rounds import run_cases
from mmfmkt.lab.benchmark.synthetic import without_pretrained
from mmfmkt.lab.benchmark.worker import Setting
from mmfmkt.pairing.short_form import CLIP_GRAD, write_out

from .plan import Study, method_of
from .run import Run

ROUNDS = 15  # iterations of each that count
AT_ONCE = 6  # models in memory
Costs = dict[
    str, dict[str, float]
]  # name of a run without its schedule -> time of an iteration and peak of memory, over the plain student's


def measure_costs(study: Study, file: Path, rounds: int = ROUNDS) -> Costs:
    """What a file has, and what it does not have of the runs that are finished: that is measured, and added to it.

    Images are synthetic, as many and as large as in the training. The teacher runs in every iteration: nothing is
    read from a cache.
    """
    costs = known_costs(file)
    firsts: dict[str, Run] = {}
    for name, of_name in study.runs.items():  # an iteration is the same in every schedule
        run = next(iter(of_name.values()))
        if not firsts.get(method_of(name)) or not firsts[method_of(name)].finished:
            firsts[method_of(name)] = run
    plain = firsts[study.plain]
    missing = [run for name, run in firsts.items() if name not in costs and run.finished]
    if not missing or not plain.finished:
        return costs
    with redirect_stdout(io.StringIO()):  # what is said while configs are written out is in the logs of the trainings
        cases = [case_of(plain), *(case_of(run) for run in missing if run is not plain)]
        setting = setting_of(plain, file.parent)
    try:
        results = run_cases(cases, setting, rounds, AT_ONCE, say)
    except RuntimeError as error:  # the figures are there all the same
        print(f'costs of training could not be measured: {error}', flush=True)
        return costs
    for result in results:
        if result.error:
            print(f'the cost of {result.case.name} could not be measured: {result.error}', flush=True)
        else:
            costs[result.case.name] = dict(
                time=round(median(result.ratios), 3), memory=round(result.memory / results[0].memory, 3)
            )
    write_whole(file, json.dumps(costs, indent=1))
    return costs


def known_costs(file: Path) -> Costs:
    """Those that have been measured before."""
    return json.loads(file.read_text()) if file.exists() else {}


def say(text: str) -> None:
    if text.startswith('building'):
        print(f'cost of training: {text.removeprefix("building ")}', flush=True)


def case_of(run: Run) -> Case:
    """The model of a run."""
    model = without_pretrained(write_out(run.cfg).model.to_dict())
    if model.get('teacher_inference'):
        model['teacher_inference'] = dict(model['teacher_inference'], cache=None)
    return Case(method_of(run.name), model, trains=True)


def setting_of(run: Run, logs: Path) -> Setting:
    """The batches and the optimizer of a run."""
    init_default_scope(run.cfg.get('default_scope') or 'mmdet')
    loader, optim_wrapper = run.cfg.train_dataloader, run.cfg.optim_wrapper.to_dict()
    height, width = DATASETS.build(loader.dataset)[0]['inputs'].shape[1:]
    folder = logs / 'costs'
    folder.mkdir(exist_ok=True)
    return Setting(
        'cuda:0' if torch.cuda.is_available() else 'cpu',
        loader.batch_size,
        (height, width),
        dict(dict(clip_grad=CLIP_GRAD), **optim_wrapper),
        str(folder),
    )
