package io.tocsin.client;

import java.time.DateTimeException;
import java.time.LocalDateTime;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Times in text (RFC 3339). */
final class Times {
  private static final long MAX_TIME_MS = 9_214_646_399_999L;
  private static final int LAST_YEAR = 9999;
  private static final Pattern TIME =
      Pattern.compile(
          "(?!0000)([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt ]([01][0-9]|2[0-3]):([0-5][0-9]):([0-5][0-9]|60)"
              + "(?:\\.([0-9]{1,64}))?(?:[Zz]|([+-])([01][0-9]|2[0-3]):([0-5][0-9]))");

  private Times() {}

  /** Return a time in text; null of null. */
  static String text(OffsetDateTime time) {
    return time == null ? null : DateTimeFormatter.ISO_OFFSET_DATE_TIME.format(time);
  }

  /** Return a time in milliseconds since the epoch. Throw DateTimeException outside of 1970 to 2261. */
  static long milliseconds(Object text) {
    long ms = anyMilliseconds(text);
    if (ms < 0 || ms > MAX_TIME_MS) {
      throw new DateTimeException("must be a time from 1970 to 2261");
    }
    return ms;
  }

  /** Return a time of any year in milliseconds since the epoch. Throw DateTimeException for what is none. */
  static long anyMilliseconds(Object value) {
    if (!(value instanceof String text)) {
      throw wrong();
    }
    Matcher part = TIME.matcher(text);
    if (!part.matches()) {
      throw wrong();
    }
    boolean leap = part.group(6).equals("60");
    // LocalDateTime knows the days of each month; ZoneOffset has 18 hours at most, RFC 3339 has 24.
    LocalDateTime local =
        LocalDateTime.of(
            number(part, 1), number(part, 2), number(part, 3), number(part, 4), number(part, 5), leap
                ? 59
                : number(part, 6));
    long epochS = local.toEpochSecond(ZoneOffset.UTC) - offsetSeconds(part);
    if (leap) {
      return afterLeapSecond(local, epochS + 1) * 1000;
    }
    String fraction = part.group(7) == null ? "" : part.group(7);
    return epochS * 1000 + Long.parseLong((fraction + "000").substring(0, 3));
  }

  /** Return the second after a leap second, which can only be at the end of a month. */
  private static long afterLeapSecond(LocalDateTime before, long epochS) {
    LocalDateTime utc = LocalDateTime.ofEpochSecond(epochS, 0, ZoneOffset.UTC);
    boolean inCalendar =
        before.plusSeconds(1).getYear() <= LAST_YEAR && utc.getYear() >= 1 && utc.getYear() <= LAST_YEAR;
    if (!inCalendar || utc.getDayOfMonth() != 1 || utc.toLocalTime().toSecondOfDay() != 0) {
      throw new DateTimeException("has a leap second where there can be none (RFC 3339 section 5.7)");
    }
    return epochS;
  }

  private static long offsetSeconds(Matcher part) {
    if (part.group(8) == null) {
      return 0;
    }
    long offsetS = number(part, 9) * 3600L + number(part, 10) * 60L;
    return part.group(8).equals("-") ? -offsetS : offsetS;
  }

  private static int number(Matcher part, int group) {
    return Integer.parseInt(part.group(group));
  }

  private static DateTimeException wrong() {
    return new DateTimeException("must be a time with its zone (RFC 3339), such as 2026-10-01T08:00:00Z");
  }
}
