"""Markdown as one HTML file that carries its pictures, to be opened, sent and kept."""

import base64
import html
import mimetypes
from pathlib import Path
from urllib.parse import quote, unquote

from markdown_it import MarkdownIt
from markdown_it.token import Token

PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main>
{body}
</main>
<script>{script}</script>
</body>
</html>
"""
STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; }
body { margin: 0; font: 16px/1.55 system-ui, sans-serif; }
main { max-width: 62rem; margin: auto; padding: 1rem 1.25rem 4rem; }
h1, h2, h3 { line-height: 1.25; }
h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--line); padding-bottom: .25rem; }
img { display: block; max-width: 100%; height: auto; margin: 1rem 0; background: #fff; }
.table { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .7rem; border-bottom: 1px solid var(--line); text-align: left; }
td { white-space: nowrap; }
tbody tr:hover { background: var(--soft); }
th button { all: unset; cursor: pointer; }
th button:focus-visible { outline: 2px solid; }
th[aria-sort=ascending] button::after { content: " \\25b2"; }
th[aria-sort=descending] button::after { content: " \\25bc"; }
"""
# a number stands first in its cell, as in `53.6 ± 0.2` or `1.24 x`; empty cells come last
SCRIPT = """
for (const table of document.querySelectorAll('table')) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    if (!head.textContent.trim()) return;
    const button = document.createElement('button');
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener('click', () => {
      const down = head.getAttribute('aria-sort') !== 'descending';
      heads.forEach(other => other.removeAttribute('aria-sort'));
      head.setAttribute('aria-sort', down ? 'descending' : 'ascending');
      const text = row => row.cells[column].textContent.trim();
      const rows = [...table.tBodies[0].rows];
      rows.sort((one, other) => {
        const [a, b] = [text(one), text(other)], [x, y] = [parseFloat(a), parseFloat(b)];
        if (!a || !b) return !a - !b;
        const order = isNaN(x) || isNaN(y) ? isNaN(x) - isNaN(y) || a.localeCompare(b) : x - y;
        return down ? -order : order;
      });
      table.tBodies[0].append(...rows);
    });
  });
}
"""


def html_page(markdown: str, folder: Path) -> str:
    """An HTML page that needs no other file; a click on the head of a column sorts its table.

    Args:
        markdown: its first heading is the title of the page.
        folder: where its pictures are.

    Raises:
        FileNotFoundError: if a picture is not there.
    """
    parser = MarkdownIt('commonmark', dict(html=False)).enable('table')
    tokens = parser.parse(markdown)
    for child in [child for token in tokens for child in token.children or []]:
        if child.type == 'image':
            child.attrSet('src', embedded(folder / unquote(str(child.attrGet('src')))))
    body = parser.renderer.render(tokens, parser.options, {})
    body = body.replace('<table>', '<div class="table"><table>').replace('</table>', '</table></div>')
    return PAGE.format(title=html.escape(title_of(tokens)), style=STYLE, body=body, script=SCRIPT)


def picture(file: Path, folder: Path) -> str:
    """A picture in Markdown that stands in `folder`, whatever it is called."""
    title = file.stem.translate(str.maketrans('[]', '()'))  # which would end it
    return f'![{title}]({quote(file.relative_to(folder).as_posix())})'


def title_of(tokens: list[Token]) -> str:
    return next((after.content for token, after in zip(tokens, tokens[1:]) if token.type == 'heading_open'), '')


def embedded(picture: Path) -> str:
    """The address of a picture that holds the picture itself."""
    kind = mimetypes.guess_type(picture)[0] or 'image/png'
    return f'data:{kind};base64,{base64.b64encode(picture.read_bytes()).decode()}'
