"""The metafile of the zoo, in OpenMMLab's form: which detectors a config is about, and what was measured.

It has an entry for every config at the root of `configs/`, and for every other method on a pair that was measured.
"""

from __future__ import annotations

import functools
from pathlib import Path

import mmdet
import yaml

from mmfmkt.common.files import write_whole
from mmfmkt.pairing.method import method_names

from .pair_configs import METHODS, Pair, config_name, heading

MMDET = Path(mmdet.__file__).parent / '.mim' / 'configs'
HEADER = """\
# Written by tools/update_zoo.py; it keeps `Results` and `Weights`, which are filled in when a config was run on COCO.
# An entry with results can be added for any other method: METHOD_PAIR as `Name`, the config of the pair as `Config`.
# The metrics of teacher and student are those that MMDetection publishes for its own checkpoints.
"""


@functools.cache
def entries(folder: str) -> dict[str, dict]:
    """Config -> what the installed MMDetection says of it, of all configs of a folder."""
    file = yaml.safe_load((MMDET / folder / 'metafile.yml').read_text())
    return {
        entry['Config']: entry for entry in (file['Models'] if isinstance(file, dict) else file) if 'Config' in entry
    }


def published(config: str) -> dict:
    """What MMDetection says of a config, as 'retinanet/retinanet_r50_fpn_2x_coco': `Config`, `Weights`, `Metrics`."""
    entry = entries(config.split('/')[0])[f'configs/{config}.py']
    results = next(result for result in entry['Results'] if result['Task'] == 'Object Detection')
    return dict(
        Config=f'mmdet::{config}.py', Weights=entry['Weights'], Metrics={'box AP': results['Metrics']['box AP']}
    )


def describe_student(pair: Pair) -> dict:
    """The student of a pair; one that is made of MMDetection's config has no published metrics."""
    if 'architecture=_base_.model' in pair.file.read_text():
        return published(pair.student_config)
    return dict(Config=f'mmdet::{pair.student_config}.py, changed by configs/{pair.path}')


def describe_config(method: str, pair: Pair) -> dict:
    """The entry of the config of a method on a pair."""
    name = config_name(method, pair)
    return {
        'Name': name,
        'In Collection': heading(method)[0],
        'Config': f'configs/{name}.py',
        'Teacher': published(pair.model['teacher'].removeprefix('mmdet::').removesuffix('.py')),
        'Student': describe_student(pair),
        'Results': [dict(Task='Object Detection', Dataset='COCO', Metrics={'box AP': None})],
        'Weights': None,
    }


def describe_method(method: str) -> dict:
    """The entry of a collection."""
    title, paper = heading(method)
    collection = {'Name': title, 'Metadata': {'Training Data': 'COCO'}, 'README': 'configs/README.md'}
    return (
        {**collection, 'Paper': {'URL': f'https://arxiv.org/abs/{paper.removeprefix("arXiv:")}'}}
        if paper
        else collection
    )


def is_measured(entry: dict) -> bool:
    return any(value is not None for result in entry['Results'] for value in result['Metrics'].values())


def write_metafile(pairs: list[Pair], file: Path) -> None:
    """Write the metafile of these pairs; what was measured is kept."""
    before = {entry['Name']: entry for entry in yaml.safe_load(file.read_text())['Models']} if file.exists() else {}
    models = {name: entry for name, entry in before.items() if is_measured(entry)}
    for pair in pairs:
        for method in METHODS:
            entry = describe_config(method, pair)
            known = before.get(entry['Name'], {})
            models[entry['Name']] = {**entry, **{key: known[key] for key in ('Results', 'Weights') if key in known}}
    titles = {entry['In Collection'] for entry in models.values()}
    content = dict(
        Collections=[describe_method(method) for method in method_names() if heading(method)[0] in titles],
        Models=[models[name] for name in sorted(models)],
    )
    write_whole(file, HEADER + yaml.dump(content, Dumper=WithoutAliases, sort_keys=False, width=150))


class WithoutAliases(yaml.SafeDumper):
    """Writes every entry out, which readers of metafiles expect."""

    def ignore_aliases(self, data: object) -> bool:
        return True
