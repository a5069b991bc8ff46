"""The configs of the zoo."""

from pathlib import Path

from mmfmkt.lab.zoo import read_pairs
from mmfmkt.lab.zoo.cells import cell_name
from mmfmkt.pairing.method import method_names

CONFIGS = Path(__file__).parents[2] / 'configs'
PAIRS = read_pairs()
# file of a config -> its method and one of its pairs
ALL = {CONFIGS / f'{cell_name(method, pair)}.py': (method, pair) for method in method_names() for pair in PAIRS}
CELLS = {file: ALL[file] for file in sorted(ALL) if file.exists()}


def name(thing):
    """The name of a config or of a pair, for the name of a test."""
    return thing.stem if isinstance(thing, Path) else thing.name
