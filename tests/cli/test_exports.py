"""The examples of docs/your_data.md for the exports of other programs, run on what these write."""

import json
import re

import cv2
import numpy as np
import pytest
from commands import ROOT
from mmengine.config import Config
from own_data import annotations, dataset, findings

PAGE = (ROOT / 'docs/your_data.md').read_text()


def example(title):
    """The Python of a section."""
    section = PAGE.split(f'## {title}\n')[1].split('\n## ')[0]
    return re.search(r'```python\n(.*?)```', section, re.DOTALL)[1]


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def put_images(folder, names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        cv2.imwrite(str(folder / name), np.zeros((48, 64, 3), np.uint8))


def test_an_export_of_label_studio_becomes_two_splits_without_findings(root):
    content = annotations()
    for entries in content.values():
        for number, entry in enumerate(entries):
            entry['id'] = number  # it counts from 0
    for image in content['images']:
        image['file_name'] = f'images/{image["file_name"]}'
    for annotation in content['annotations']:
        annotation['image_id'] -= 1
        annotation['category_id'] -= 1
        annotation['ignore'] = 0
    folder = root / 'data/label_studio'
    put_images(folder / 'images', [f'{number}.png' for number in range(6)])
    (folder / 'result.json').write_text(json.dumps(content))
    exec(example('Label Studio'), {})
    parts = {
        split: dict(dataset(folder / f'{split}.json'), data_prefix=dict(img=''), data_root=str(folder))
        for split in ('train', 'val')
    }
    assert findings(**parts) == []
    train, val = (json.loads((folder / f'{split}.json').read_text()) for split in ('train', 'val'))
    assert (len(train['images']), len(val['images'])) == (5, 1)
    assert [box['id'] for box in train['annotations']] == list(range(1, 11))
    assert not {image['id'] for image in train['images']} & {image['id'] for image in val['images']}


def test_an_export_of_roboflow_is_read_as_the_page_says(root):
    for split in ('train', 'valid'):
        content = annotations()
        content['categories'] = [
            dict(id=0, name='safety', supercategory='none'),  # the project
            dict(id=1, name='helmet', supercategory='safety'),
            dict(id=2, name='person', supercategory='safety'),
        ]
        folder = root / 'data/roboflow' / split
        put_images(folder, [image['file_name'] for image in content['images']])
        (folder / '_annotations.coco.json').write_text(json.dumps(content))
    (root / 'data.py').write_text(example('Roboflow'))
    cfg = Config.fromfile('data.py')
    common = dict(type='CocoDataset', pipeline=[dict(type='LoadImageFromFile')])
    parts = {split: dict(cfg[f'{split}_dataloader'].dataset.to_dict(), **common) for split in ('train', 'val')}
    assert findings(**parts) == []
    assert cfg.val_evaluator.ann_file == 'data/roboflow/valid/_annotations.coco.json'
