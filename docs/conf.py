"""Sphinx builds the documentation with this; `bash tools/build_docs.sh` starts it."""

from pathlib import Path

ROOT = Path(__file__).parents[1]

project = 'mmfmkt'
author = 'the mmfmkt contributors'
copyright = 'the mmfmkt contributors, Apache 2.0'
namespace: dict[str, str] = {}
exec((ROOT / 'mmfmkt' / 'common' / 'version.py').read_text(), namespace)
release = version = namespace['__version__']

extensions = [
    'myst_parser',
    'sphinx.ext.autodoc',
    'sphinx.ext.napoleon',
    'sphinx.ext.mathjax',
    'sphinx_copybutton',
    'sphinx_design',
]
exclude_patterns = ['_build']

# pages are Markdown; headings have the anchors that they have on GitHub
myst_enable_extensions = ['colon_fence', 'deflist', 'dollarmath', 'attrs_inline']
myst_heading_anchors = 4

# the reference is made of the docstrings
autodoc_default_options = {'members': True, 'member-order': 'bysource', 'show-inheritance': True}
autodoc_preserve_defaults = True
autodoc_typehints = 'description'
autodoc_typehints_description_target = 'documented'
autodoc_warningiserror = True
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
copybutton_exclude = '.linenos, .gp, .go'
