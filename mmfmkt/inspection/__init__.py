"""What is in the annotation files of a data set, and what of it makes a wrong detector without a word."""

from .annotation_file import AnnotationFile, remembering
from .evaluated import check_evaluated, with_their_parts
from .inspect import inspect
from .parts import Finding, Part, parts_of

__all__ = [
    'AnnotationFile',
    'Finding',
    'Part',
    'check_evaluated',
    'inspect',
    'parts_of',
    'remembering',
    'with_their_parts',
]
