"""Any accent gives a palette that can be read, or is refused."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from service.pages.palette import contrast, make_palette
from tests.unit.pages.test_palette import readable


@given(st.integers(0, 0xFFFFFF).map("#{:06x}".format))
@example("#000000")
@example("#ffffff")
@example("#0000ff")
def test_an_accent_is_readable_or_refused(accent: str) -> None:
    """It is refused exactly where it is below 4.5:1 on white, with that ratio."""
    ratio = contrast(accent, "#ffffff")
    if ratio < 4.5:
        with pytest.raises(ValueError, match=rf"contrast of {ratio:.2f}:1"):
            make_palette(accent)
        return
    palette = make_palette(accent)
    assert readable(palette.light)
    assert readable(palette.dark)
