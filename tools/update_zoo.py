"""Write what follows from the pairs in configs/FAMILY/: the configs of FM-KT and FM-KT^Θ on each, and the metafile.

Configs that are there stay as they are. Run it after adding a pair.
"""

import argparse
from pathlib import Path

import mmfmkt  # noqa: F401 (registers everything)
from mmfmkt.lab.zoo import update_zoo

if __name__ == '__main__':
    argparse.ArgumentParser(description=__doc__).parse_args()
    written = update_zoo(Path(__file__).parents[1] / 'configs')
    print(f'{len(written)} configs written: {", ".join(written) or "all were there"}')
