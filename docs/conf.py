"""Sphinx builds the documentation with this; `bash tools/build_docs.sh` starts it."""

import html
import re
from pathlib import Path

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.util import logging

ROOT = Path(__file__).parents[1]
ACCENT = re.compile(r'\\(hat|bar|tilde) ?(\\?[A-Za-z]+?)(?=[_^])')

project = 'mmfmkt'
author = 'the mmfmkt contributors'
copyright = 'the mmfmkt contributors, Apache 2.0'
namespace: dict[str, str] = {}
exec((ROOT / 'mmfmkt' / 'common' / 'version.py').read_text(), namespace)
release = version = namespace['__version__']

extensions = ['myst_parser', 'sphinx.ext.autodoc', 'sphinx.ext.napoleon', 'sphinx_copybutton', 'sphinx_design']
exclude_patterns = ['_build']

# pages are Markdown; headings have the anchors that they have on GitHub
myst_enable_extensions = ['colon_fence']
myst_heading_anchors = 4

# the reference is made of the docstrings
autodoc_default_options = {'members': True, 'member-order': 'bysource', 'show-inheritance': True}
autodoc_preserve_defaults = True
autodoc_typehints = 'description'
autodoc_typehints_description_target = 'documented'
autodoc_inherit_docstrings = False
napoleon_numpy_docstring = False
napoleon_use_ivar = True
default_role = 'code'  # what stands in single backticks in a docstring
add_module_names = False
toc_object_entries_show_parents = 'hide'

html_theme = 'furo'
html_title = 'mmfmkt'
html_static_path = ['_static']
html_css_files = ['mmfmkt.css']
html_show_sphinx = False
html_copy_source = False
html_math_renderer = 'mathml'


def draw_math(translator, node):
    """Formulas as MathML, which browsers draw by themselves, without a script from elsewhere."""
    display = isinstance(node, nodes.math_block)
    tex = re.sub(r'\\[Bb]ig(?=\W)', '', node.astext()).replace(r'\dots', r'\ldots')  # which docutils does not know
    tex = ACCENT.sub(r'\\\1{\2}{}', tex)  # or docutils puts the index below the letter
    try:
        markup = tex2mathml(tex, as_block=display)
    except MathError as error:
        logging.getLogger(__name__).warning('%s: %s', error, tex, location=node)
        markup = f'<code>{html.escape(tex)}</code>'
    translator.body.append(f'<div class="formula">{markup}</div>' if display else markup)
    raise nodes.SkipNode


def fit(app, doctree):
    """Pictures fill the column and lead to themselves in full size; tables of figures keep each cell on one line."""
    for image in doctree.findall(nodes.image):
        image.attributes.setdefault('width', '100%')
    for table in doctree.findall(nodes.table):
        rows = [[cell.astext() for cell in row] for row in table.findall(nodes.row)]
        longest = max(len(cell) for row in rows for cell in row[1:])
        table['classes'].append('figures' if len(rows[0]) > 4 and longest < 45 else 'words')


def setup(app):
    app.add_html_math_renderer('mathml', (draw_math, None), (draw_math, None))
    app.connect('doctree-read', fit)
