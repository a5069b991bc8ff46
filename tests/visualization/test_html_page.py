"""A report on one page: nothing of it stands in another file."""

import base64
import re

import pytest

from mmfmkt.visualization.html_page import html_page, picture

PICTURE = b'\x89PNG of a flow'
TEXT = """# Methods & more

AP of *two* methods, a <script>alert(1)</script>.

|  | AP |
| --- | --- |
| PKD | 53.6 ± 0.2 |
| FGD | 54.0 |

![a chart](charts/chart.png)
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / 'charts').mkdir()
    (tmp_path / 'charts/chart.png').write_bytes(PICTURE)
    return tmp_path


def test_pictures_are_in_the_page_byte_for_byte(folder):
    (address,) = re.findall(r'<img src="([^"]+)"', html_page(TEXT, folder))
    kind, _, content = address.partition(',')
    assert kind == 'data:image/png;base64' and base64.b64decode(content) == PICTURE


def test_the_page_names_no_other_file(folder):
    page = html_page(TEXT, folder)
    assert not re.findall(r'(?:src|href)="(?!data:)', page) and 'url(' not in page and '@import' not in page


def test_the_first_heading_is_the_title_and_tables_may_be_wider_than_the_page(folder):
    page = html_page(TEXT, folder)
    assert '<title>Methods &amp; more</title>' in page
    assert page.count('<div class="table"><table>') == page.count('</table></div>') == 1
    assert '<td>53.6 ± 0.2</td>' in page


def test_text_is_text_and_never_runs(folder):
    assert '&lt;script&gt;alert(1)' in html_page(TEXT, folder)


def test_a_picture_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match='chart.png'):
        html_page(TEXT, tmp_path)


@pytest.mark.parametrize('name', ['ä.png', '图.png', 'a b (1).png', '[x].png', 'a%20b#1.png', '*a*_`.png'])
def test_a_picture_may_have_any_name(tmp_path, name):
    (tmp_path / name).write_bytes(PICTURE)
    page = html_page(picture(tmp_path / name, tmp_path), tmp_path)
    assert base64.b64encode(PICTURE).decode() in page and '![' not in page
