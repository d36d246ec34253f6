"""RFC 3339: times are read in all its spellings, and no other form of ISO 8601 is."""

import pytest

from service.model.validators import MAX_TIME_MS, check_time, nearest_time_ms, time_ms
from tests.conformance.support import EVENT, NOW_MS, reason, take

TEN = 1_795_687_200_000  # 2026-11-26T10:00:00Z


@pytest.mark.conformance(
    "RFC 3339", "5.6 date-time", "The T between date and time may be small, and so may the Z."
)
@pytest.mark.parametrize("text", ["2026-11-26T10:00:00Z", "2026-11-26t10:00:00z", "2026-11-26T10:00:00z"])
def test_letters_may_be_small(text: str) -> None:
    """ABNF strings match letters of either case."""
    assert time_ms(text) == TEN
    assert take({**EVENT, "time": text}).time_ms == TEN


@pytest.mark.conformance("RFC 3339", "5.6 note on readability", "A blank may stand between date and time.")
def test_a_blank_may_stand_for_the_t() -> None:
    """Applications may write a blank for the sake of readability."""
    assert time_ms("2026-11-26 10:00:00Z") == TEN


@pytest.mark.conformance(
    "RFC 3339",
    "5.6 time-secfrac",
    "A fraction may have any number of digits up to 64; milliseconds are kept.",
)
@pytest.mark.parametrize("digits", ["5", "50", "500", "500000", "500999999", "5" + "0" * 63])
def test_fractions_of_any_length(digits: str) -> None:
    """Go writes nanoseconds, .NET seven digits, Java from none to nine."""
    assert time_ms(f"2026-11-26T10:00:00.{digits}Z") == TEN + 500


@pytest.mark.conformance(
    "RFC 3339", "5.6 time-numoffset", "An offset has a sign, hours, a colon and minutes, up to 23:59."
)
def test_offsets() -> None:
    """Both sides of UTC, and half hours."""
    assert time_ms("2026-11-26T15:30:00+05:30") == time_ms("2026-11-25T10:01:00-23:59") == TEN


@pytest.mark.conformance("RFC 3339", "4.3 unknown local offset", "-00:00 is UTC.")
def test_unknown_local_offset() -> None:
    """The time in UTC is known, the local offset is not."""
    assert time_ms("2026-11-26T10:00:00-00:00") == TEN


@pytest.mark.conformance(
    "RFC 3339",
    "5.7 leap seconds",
    "A leap second at the end of a month in UTC is taken, as the first second after it; any other :60 is refused.",
)
def test_leap_seconds() -> None:
    """Clocks that count seconds since the epoch repeat a second."""
    after = time_ms("2017-01-01T00:00:00Z")
    assert time_ms("2016-12-31T23:59:60Z") == time_ms("2016-12-31T23:59:60.75z") == after
    assert time_ms("1990-12-31T15:59:60-08:00") == time_ms("1991-01-01T00:00:00Z")
    assert take({**EVENT, "time": "2016-12-31T23:59:60Z"}).time_ms == after
    for text in (
        "2016-12-31T12:30:60Z",
        "2016-12-30T23:59:60Z",
        "2016-12-31T23:59:60+01:00",
        "9999-12-31T23:59:60Z",
    ):
        with pytest.raises(ValueError, match="leap second"):
            time_ms(text)


@pytest.mark.conformance(
    "RFC 3339", "5.7 restrictions", "A day, hour or minute that does not exist is refused."
)
@pytest.mark.parametrize(
    "text",
    [
        *("2026-02-29T10:00:00Z", "2026-13-01T10:00:00Z", "2026-00-01T10:00:00Z", "2026-11-00T10:00:00Z"),
        *("2026-11-26T24:00:00Z", "2026-11-26T10:60:00Z", "2026-11-26T10:00:61Z", "0000-01-01T00:00:00Z"),
        *("2026-11-26T10:00:00+24:00", "2026-11-26T10:00:00+01:60"),
    ],
)
def test_impossible_times(text: str) -> None:
    """The calendar is checked, not only the form."""
    with pytest.raises(ValueError, match=r".+"):
        time_ms(text)
    assert reason({**EVENT, "time": text}) == "invalid_attribute"


@pytest.mark.conformance(
    "RFC 3339",
    "5.6 other forms",
    "Other forms of ISO 8601 are refused: week dates, ordinal dates, short offsets, no zone.",
)
@pytest.mark.parametrize(
    "text",
    [
        *("2026-W48-4T10:00:00Z", "2026W484T100000Z", "2026-330T10:00:00Z", "20261126T100000Z", "2026-11-26"),
        *("2026-11-26T10:00:00+0000", "2026-11-26T10:00:00+00", "2026-11-26T10:00:00", "2026-11-26T10:00Z"),
        *("2026-11-26T10Z", "2026-11-26T10:00:00,5Z", "2026-11-26T10:00:00.Z", "2026-11-26X10:00:00Z"),
        *("26-11-26T10:00:00Z", "+002026-11-26T10:00:00Z", "2026-11-26T10:00:00 Z", " 2026-11-26T10:00:00Z"),
        *(
            "2026-11-26T10:00:00Z\n",
            "٢٠٢٦-11-26T10:00:00Z",
            "2026-11-26T10:00:00UTC",
            "1795687200",
            "",
            "now",
        ),
        *("2026-11-26T10:00:00+00:00[Europe/Vienna]", "2026-11-26T10:00:00." + "0" * 65 + "Z", "x" * 100_000),
    ],
)
def test_other_forms(text: str) -> None:
    """Two readers that guess differently would show two times."""
    with pytest.raises(ValueError, match=r"RFC 3339"):
        time_ms(text)
    assert reason({**EVENT, "time": text}) == "invalid_attribute"


@pytest.mark.conformance(
    "RFC 3339",
    "5.6 range",
    "Times from 1970 to 2261 are taken, which every reader can show; others are refused.",
)
@pytest.mark.parametrize(
    "text",
    [
        *("9999-12-31T23:59:59-12:00", "9999-12-31T23:59:59.9999999Z", "9999-12-31T23:59:59Z"),
        *(
            "0001-01-01T00:00:00+01:00",
            "0001-01-01T00:00:00Z",
            "1969-12-31T23:59:59Z",
            "2262-01-01T00:00:00Z",
        ),
    ],
)
def test_times_that_not_every_reader_can_show(text: str) -> None:
    """.NET's DateTime.MaxValue is no time of an event; as a deadline it means never."""
    with pytest.raises(ValueError, match="1970 to 2261"):
        time_ms(text)
    with pytest.raises(ValueError, match="1970 to 2261"):
        check_time(text)
    assert reason({**EVENT, "time": text}) == "invalid_attribute"
    assert nearest_time_ms(text) in (0, MAX_TIME_MS)


def test_the_ends_of_the_range_are_taken() -> None:
    """The first and the last millisecond."""
    assert time_ms("1970-01-01T00:00:00Z") == 0
    assert time_ms("2261-12-31T23:59:59.999Z") == MAX_TIME_MS
    assert take({**EVENT, "time": "1970-01-01T00:00:00Z"}).time_ms == 0
    assert take({**EVENT, "time": "2261-12-31T23:59:59.999Z"}).time_ms == NOW_MS
