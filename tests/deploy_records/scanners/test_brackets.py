import io
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deploy_records.scanners import brackets
from deploy_records.scanners.brackets import Outline
from deploy_records.scanners.reading import opened

values = st.recursive(
    st.integers() | st.text(alphabet='[]{}"\\aü'),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(alphabet='[]{}"\\', max_size=4), inner, max_size=5),
    max_leaves=15,
)


@given(value=st.lists(values, min_size=1, max_size=6), piece=st.integers(2, 20))
@settings(max_examples=60, deadline=None)
def test_the_end_of_every_container_is_found_whatever_stands_in_texts(value: list[Any], piece: int) -> None:
    text = json.dumps(value, ensure_ascii=False)
    begin, expected = 1, []
    for one in value:
        length = len(json.dumps(one, ensure_ascii=False).encode())
        if isinstance(one, list | dict):
            expected.append((begin, begin + length))
        begin += length + 2
    with pytest.MonkeyPatch.context() as patch, opened(io.BytesIO(text.encode()), "x") as source:
        patch.setattr(brackets, "PIECE", piece)
        outline = Outline.of(source, 0)
        assert outline.end_of(0) == len(text.encode())
        assert [(begin, outline.end_of(begin)) for begin, _end in expected] == expected
