"""Annotations that are wrong, and names of images that are unusual."""

import json

from case import damage

from mmfmkt.lab.study.data import SPLITS

BOXES = [
    [500, 500, 20, 20],
    [-90, -90, 20, 20],
    [5, 5, -10, 10],
    [5, 5, 0, 0],
    [float('nan')] * 4,
    [5, 5, float('inf'), 9],
    [1, 2, 3],
    [1, 2, 3, 4, 5],
    ['1', '2', '3', '4'],
    'box',
    [0, 0, 1e30, 1e30],
    [0, 0, 10**9, 10**9],
    None,
    [],
    {},
    [[1, 2], [3, 4]],
    [5, 5, 1e-9, 1e-9],
]
NAMES = ['nowhere.jpg', 'ü 图.jpg', '/nowhere/a.jpg', '../../a.jpg', '', None, 3, '.', 'a\0b']
SIZES = [1, 0, -5, 'a', None, 10**9]
ITEMS = dict(
    annotations=dict(
        bbox=BOXES,
        category_id=[77, -1, 'cat', None],
        image_id=[99, 0, 'a'],
        id=[1, 0, 'a'],
        area=['big', None, -1],
        iscrowd=[1, 'no', None],
    ),
    images=dict(id=[1, 'a', None, 3.5], file_name=NAMES, width=SIZES, height=SIZES),
    categories=dict(name=['cat', 1, None], id=[1, 'a', None]),
)
TEXTS = {
    'cut': lambda text: text[:-20],
    'byte order mark': lambda text: '\ufeff' + text,
    'twice': lambda text: text * 2,
    **{text: lambda old, text=text: text for text in ('', '[]', '3', 'null', '<annotation></annotation>', '{}')},
}


def broken_file(case):
    """The annotations of a data set: file, content, and a group of their items."""
    file = (
        case.folder / f'annotations/{case.rng.choice(SPLITS if case.tool in ("train", "distill") else SPLITS[1:])}.json'
    )
    case.name(file.name, 'annotation', '.jpg')
    return file, json.loads(file.read_text()), case.rng.choice([*ITEMS, 'annotations'])


@damage('annotation', 5)
def wrong_items(case):
    """A value in all items of a group, or in some; or the group itself."""
    file, data, group = broken_file(case)
    key, share = case.rng.choice([*ITEMS[group], None]), case.rng.choice([1, 0.2])
    value = case.rng.choice([*(ITEMS[group][key] if key else [[], None, {}, 'nonsense', [3], data[group] * 2]), ...])
    for item, place in ((item, key) for item in data[group]) if key else [(data, group)]:
        if key is None or case.rng.random() < share:
            item.pop(place) if value is ... else item.update({place: value})
    file.write_text(json.dumps(data))
    place = f'{key} of {share:.0%} of the {group}' if key else group
    return f'{file.name}: {place} {"missing" if value is ... else f"= {repr(value)[:40]}"}'


@damage('annotation')
def wrong_text(case):
    (file, data, _), kind = broken_file(case), case.rng.choice(list(TEXTS))
    file.write_text(TEXTS[kind](json.dumps(data)))
    return f'{file.name}: {kind!r}'


@damage('annotation')
def unusual_names(case):
    """Names of image files that are unusual, and right."""
    file, data, _ = broken_file(case)
    for number, image in enumerate(data['images']):
        old = case.folder / file.stem / image['file_name']
        new = old.rename(
            old.with_name(case.rng.choice(['ü 图 {}.jpg', '{}', "it's {} [a].JPG", '{}.png']).format(number))
        )
        image['file_name'] = str(case.rng.choice([new, new.name]))
    file.write_text(json.dumps(data))
    return f'{file.name}: unusual names of files'
