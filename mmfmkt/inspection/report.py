"""What an inspection has found, to be read by people."""

from collections.abc import Sequence

from mmfmkt.common.markdown import markdown_rows

from .parts import Finding, Part


def report(parts: Sequence[Part], findings: Sequence[Finding]) -> str:
    """Files, boxes of each class, and findings, as Markdown."""
    classes = parts[0].classes
    header = ['', *(f'{part.split}: {part.file}' for part in parts)]
    rows = [
        ['images', *(str(len(part.dataset)) for part in parts)],
        ['annotations in the file', *('' if part.content is None else str(len(part.content.boxes)) for part in parts)],
        ['boxes that a detector sees', *(str(part.boxes.total()) for part in parts)],
    ]
    if not isinstance(classes, str):
        rows += [
            [f'{label}: {name}', *(str(part.boxes[label]) for part in parts)] for label, name in enumerate(classes)
        ]
    said = [f'- {"**error**" if finding.is_error else "warning"}: {finding.text}' for finding in findings]
    unread = list(dict.fromkeys(part.file for part in parts if part.content is None))
    if unread:
        said.append(
            f'- not looked at: ids and boxes as they stand in {" and ".join(unread)}, not read as files of COCO'
        )
    return '\n'.join([markdown_rows([header, *rows]), '', *(said or ['Nothing is odd.'])])
