"""Tables that can be read as they are, and as Markdown."""

from collections.abc import Sequence


def markdown_rows(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells under their headings, the first row; a row with fewer cells does not widen the columns."""
    whole = [row for row in rows if len(row) == len(rows[0])]
    widths = [max(map(len, column)) for column in zip(*whole)]
    lines = ['| ' + ' | '.join(text.ljust(width) for text, width in zip(row, widths)) + ' |' for row in rows]
    lines.insert(1, '| ' + ' | '.join('-' * width for width in widths) + ' |')
    return '\n'.join(lines)
