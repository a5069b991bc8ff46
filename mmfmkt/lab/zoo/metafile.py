"""The metafile of the zoo, in OpenMMLab's form: which detectors a config is about, and what was measured."""

from __future__ import annotations

import functools
from pathlib import Path

import mmdet
import yaml

from mmfmkt.common.files import write_whole
from mmfmkt.pairing.method import method_names, read_method, reads_teacher

from .cells import Pair, cell_name, heading

MMDET = Path(mmdet.__file__).parent / '.mim' / 'configs'
HEADER = """# Written by tools/update_zoo.py; it keeps `Results` and `Weights`, which are filled in when a config was run on COCO.
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
    """What MMDetection publishes of its config 'retinanet/retinanet_r50_fpn_2x_coco': `Config`, `Weights`, `Metrics`."""
    entry = entries(config.split('/')[0])[f'configs/{config}.py']
    results = next(result for result in entry['Results'] if result['Task'] == 'Object Detection')
    return dict(
        Config=f'mmdet::{config}.py', Weights=entry['Weights'], Metrics={'box AP': results['Metrics']['box AP']}
    )


def describe_student(pair: Pair) -> dict:
    """The student of a pair; one that is made of MMDetection's config has no published metrics."""
    if 'architecture=_base_.model' in pair.file.read_text():
        return published(pair.student_config)
    return dict(Config=f'mmdet::{pair.student_config}.py, changed by configs/_base_/pairs/{pair.name}.py')


def describe_cell(method: str, pair: Pair) -> dict:
    """The entry of a config."""
    name = cell_name(method, pair)
    entry = {'Name': name, 'In Collection': heading(method)[0], 'Config': f'configs/{name}.py'}
    if reads_teacher(read_method(method)):
        entry['Teacher'] = published(pair.model['teacher'].removeprefix('mmdet::').removesuffix('.py'))
    entry['Student'] = describe_student(pair)
    entry['Results'] = [dict(Task='Object Detection', Dataset='COCO', Metrics={'box AP': None})]
    entry['Weights'] = None
    return entry


def describe_method(method: str) -> dict:
    """The entry of a collection."""
    title, paper = heading(method)
    collection = {'Name': title, 'Metadata': {'Training Data': 'COCO'}, 'README': 'configs/README.md'}
    return (
        {**collection, 'Paper': {'URL': f'https://arxiv.org/abs/{paper.removeprefix("arXiv:")}'}}
        if paper
        else collection
    )


def write_metafile(cells: list[tuple[str, Pair]], file: Path) -> None:
    """Write the metafile of these configs, each a method and a pair; what was measured is kept."""
    measured = {}
    if file.exists():
        measured = {entry['Name']: entry for entry in yaml.safe_load(file.read_text())['Models']}
    models = {cell_name(*cell): describe_cell(*cell) for cell in cells}
    for name, entry in models.items():
        entry.update({key: value for key, value in measured.get(name, {}).items() if key in ('Results', 'Weights')})
    content = dict(
        Collections=[describe_method(method) for method in method_names()],
        Models=[models[name] for name in sorted(models)],
    )
    write_whole(file, HEADER + yaml.dump(content, Dumper=WithoutAliases, sort_keys=False, width=150))


class WithoutAliases(yaml.SafeDumper):
    """Writes every entry out, which readers of metafiles expect."""

    def ignore_aliases(self, data: object) -> bool:
        return True
