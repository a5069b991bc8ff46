from matplotlib import font_manager, rcParams
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties

from mmfmkt.visualization.figures import names_of_users, to_rgb


@names_of_users()
def titled(text):
    figure = Figure(figsize=(2, 1))
    figure.suptitle(text)
    return figure


def test_two_dollars_in_a_name_are_no_formula():
    figure = titled(r'US$ 1 / \foo CA$ 2')
    assert to_rgb(figure).std() > 0 and not figure.texts[0].get_parse_math() and rcParams['text.parse_math']


def test_fonts_with_other_letters_are_looked_for_where_there_are_some(monkeypatch):
    monkeypatch.setattr(font_manager, 'get_font_names', lambda: ['DejaVu Sans', 'Noto Sans CJK SC'])
    families = titled('学生').texts[0].get_fontproperties().get_family()
    assert families == [*FontProperties().get_family(), 'Noto Sans CJK SC']
