"""The portal's own `format_html` writes what Django's does."""

import django.utils.html as theirs
from django.utils.functional import lazystr
from django.utils.safestring import SafeString, mark_safe
from hypothesis import given
from hypothesis import strategies as st

from portal.templatetags import markup

values = st.one_of(
    st.text(), st.text().map(mark_safe), st.text().map(lazystr), st.integers(), st.floats(), st.none(), st.booleans(), st.dates()
)  # fmt: skip


class Drawing:
    def __html__(self) -> str:
        return "<b>&</b>"


@given(st.lists(values, min_size=2, max_size=2), values)
def test_whatever_is_put_into_it(parts: list[object], named: object) -> None:
    form = '<a href="{}" title="{n}">{}</a>'
    made = markup.format_html(form, *parts, n=named)
    assert made == theirs.format_html(form, *parts, n=named)
    assert isinstance(made, SafeString)


@given(st.lists(st.tuples(values, values)), st.one_of(st.text(), st.text().map(mark_safe)))
def test_whatever_is_joined(rows: list[tuple[object, object]], between: str) -> None:
    form = '<li class="{}">{}</li>'
    made = markup.format_html_join(between, form, rows)
    assert made == theirs.format_html_join(between, form, rows)
    assert isinstance(made, SafeString)


def test_what_is_no_markup_is_escaped_and_what_is_stays() -> None:
    hostile = "<script>'\"&"
    assert markup.format_html("{}{}", hostile, mark_safe("<i>")) == "&lt;script&gt;&#x27;&quot;&amp;<i>"
    assert markup.format_html("{}", Drawing()) == "<b>&</b>"
