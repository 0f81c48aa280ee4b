"""What is kept of what a command says."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cloudmanager.ssh.session import Output


@given(st.lists(st.binary(max_size=40)), st.integers(min_value=1, max_value=60))
def test_beginning_and_end_are_kept_and_the_rest_is_counted(parts, limit):
    whole = b"".join(part.hex().encode() for part in parts)
    output = Output(limit)
    for part in parts:
        output.add(part.hex().encode())
        assert len(output._head) + len(output._tail) <= 3 * limit + 80
    left_out = output.left_out
    text = output.text()
    if len(whole) <= limit:
        assert (text, left_out) == (whole.decode(), 0)
    else:
        assert left_out == len(whole) - limit
        behind = limit - limit // 2
        gap = f"\n[{left_out} bytes are left out here]\n"
        assert text == whole[: limit // 2].decode() + gap + whole[-behind:].decode()
    assert (output.text(), output.left_out) == (text, left_out)


def test_bytes_that_are_no_text_are_marked():
    output = Output(10)
    output.add(b"a\xffb")
    assert output.text() == "a\ufffdb"
