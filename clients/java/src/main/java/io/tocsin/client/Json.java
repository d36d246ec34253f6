package io.tocsin.client;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.List;
import java.util.Map;

/** What values may be, as the service has it: JSON that has one meaning. */
final class Json {
  static final String CONTENT_TYPE = "application/json";
  private static final BigInteger MIN_INTEGER = BigInteger.ONE.shiftLeft(63).negate();
  private static final BigInteger MAX_INTEGER = BigInteger.ONE.shiftLeft(64).subtract(BigInteger.ONE);
  private static final int MAX_DEPTH = 64;
  private static final int MAX_CONTAINERS = 65_536;
  private static final ObjectMapper MAPPER =
      new ObjectMapper().enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS);

  private Json() {}

  /** Return JSON in text. */
  static String text(Object value) {
    try {
      return MAPPER.writeValueAsString(value);
    } catch (JsonProcessingException error) {
      throw new InvalidEventException(Reason.INVALID_JSON, error.getOriginalMessage());
    }
  }

  /** Return JSON in UTF-8 of what was checked. */
  static byte[] bytes(Object value) {
    try {
      return MAPPER.writeValueAsBytes(value);
    } catch (JsonProcessingException error) {
      throw new InvalidEventException(Reason.INVALID_JSON, error.getOriginalMessage());
    }
  }

  /** Return what JSON says: maps, lists, text, numbers, booleans, null. */
  static Object read(byte[] json) throws IOException {
    return MAPPER.readValue(json, Object.class);
  }

  /** Return what JSON in text says. */
  static Object read(String json) throws IOException {
    return MAPPER.readValue(json, Object.class);
  }

  /** Throw InvalidEventException for what JSON cannot carry with one meaning, and for too many or too deep parts. */
  static void check(Object document) {
    check(document, 1, new int[1]);
  }

  /** Check a value. `containers` counts objects and arrays. */
  private static void check(Object value, int depth, int[] containers) {
    if (!(value instanceof Map || value instanceof List)) {
      checkScalar(value);
      return;
    }
    if (depth > MAX_DEPTH) {
      throw new InvalidEventException(Reason.TOO_DEEP, "");
    }
    if (++containers[0] > MAX_CONTAINERS) {
      throw new InvalidEventException(Reason.TOO_LARGE, "more than " + MAX_CONTAINERS + " objects and arrays");
    }
    if (value instanceof List<?> list) {
      list.forEach(item -> check(item, depth + 1, containers));
    } else if (value instanceof Map<?, ?> map) {
      map.forEach(
          (name, item) -> {
            if (!(name instanceof String)) {
              throw new InvalidEventException(Reason.INVALID_JSON, name + ": a name must be text");
            }
            checkScalar(name);
            check(item, depth + 1, containers);
          });
    }
  }

  private static void checkScalar(Object value) {
    if (value instanceof String text) {
      if (text.codePoints().anyMatch(Json::isSurrogate)) {
        throw new InvalidEventException(Reason.LONE_SURROGATE, "");
      }
    } else if (isInteger(value)) {
      BigInteger integer = new BigInteger(value.toString());
      if (integer.compareTo(MIN_INTEGER) < 0 || integer.compareTo(MAX_INTEGER) > 0) {
        throw new InvalidEventException(Reason.NUMBER_OUT_OF_RANGE, integer.bitLength() > 128 ? "" : "" + integer);
      }
    } else if (value instanceof BigDecimal number) {
      if (Double.isInfinite(number.doubleValue())) {
        throw new InvalidEventException(Reason.NUMBER_OUT_OF_RANGE, "");
      }
    } else if (value instanceof Double || value instanceof Float) {
      if (!Double.isFinite(((Number) value).doubleValue())) {
        throw new InvalidEventException(Reason.NOT_A_NUMBER, value.toString());
      }
    } else if (value != null && !(value instanceof Boolean)) {
      throw new InvalidEventException(Reason.INVALID_JSON, "JSON has no " + value.getClass().getName());
    }
  }

  /** Return whether a value is written as an integer. */
  static boolean isInteger(Object value) {
    return value instanceof Integer
        || value instanceof Long
        || value instanceof Short
        || value instanceof Byte
        || value instanceof BigInteger
        || (value instanceof BigDecimal number && number.scale() == 0);
  }

  /** Return whether every reader can show a text, in one line. */
  static boolean isPlain(String text) {
    return text.codePoints()
        .noneMatch(
            c ->
                c < 0x20
                    || (c >= 0x7f && c <= 0x9f)
                    || c == 0x2028
                    || c == 0x2029
                    || isSurrogate(c)
                    || (c >= 0xfdd0 && c <= 0xfdef)
                    || (c & 0xfffe) == 0xfffe);
  }

  /** Return the number of code points. */
  static int length(String text) {
    return text.codePointCount(0, text.length());
  }

  private static boolean isSurrogate(int codePoint) {
    return codePoint >= 0xd800 && codePoint <= 0xdfff;
  }
}
