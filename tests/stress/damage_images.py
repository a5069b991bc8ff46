"""Images that cannot be read, or are unusual."""

import numpy as np
from case import damage
from damage_bytes import BYTES
from PIL import Image

from mmfmkt.lab.study.data import SPLITS

IMAGES = {
    **{
        f'{width}x{height}': lambda image, size=(width, height): image.resize(size)
        for width, height in ((1, 1), (1, 100), (100, 1), (4000, 8), (8, 4000), (1500, 1500))
    },
    **{mode: lambda image, mode=mode: image.convert(mode) for mode in ('L', 'RGBA', 'CMYK', 'P', '1', 'LA')},
    '16 bit': lambda image: Image.fromarray(np.asarray(image.convert('L')).astype(np.uint16) * 257),
}


@damage('image')
def broken_images(case):
    """One image of a data set, or all of them."""
    files = sorted((case.folder / case.rng.choice(SPLITS)).iterdir())
    files = case.rng.choice([files, [case.rng.choice(files)]])
    kind = case.rng.choice([*IMAGES, 'missing', 'directory', 'empty', 'cut', 'random', 'text'])
    for file in files:
        case.name(file.name)
        if kind in BYTES:
            file.write_bytes(BYTES[kind](file.read_bytes(), case.rng))
        elif kind in IMAGES:
            IMAGES[kind](Image.open(file)).save(file, format='JPEG' if kind in ('CMYK', 'L', '1x1') else 'PNG')
        else:
            file.unlink()
            if kind == 'directory':
                file.mkdir()
    return f'{len(files)} of {files[0].parent.name}: {kind}'
