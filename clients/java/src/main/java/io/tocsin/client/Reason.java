package io.tocsin.client;

import java.util.Locale;

/** The reason for which an event is refused: that of the service's dead letters (docs/events.md). */
public enum Reason {
  EMPTY,
  TOO_LARGE,
  INVALID_UTF8,
  INVALID_JSON,
  SCHEMA_REGISTRY_FRAMING,
  DUPLICATE_KEY,
  NOT_A_NUMBER,
  NUMBER_OUT_OF_RANGE,
  LONE_SURROGATE,
  TOO_DEEP,
  NOT_AN_OBJECT,
  UNSUPPORTED_CONTENT_TYPE,
  UNSUPPORTED_SPECVERSION,
  MISSING_ATTRIBUTE,
  INVALID_ATTRIBUTE,
  UNKNOWN_TYPE,
  INVALID_DATA,
  MISSING_AUDIENCE,
  INVALID_WITHDRAWAL,
  RENDER_FAILED,
  UNREADABLE,
  UNPROCESSABLE;

  /** Return the reason as the service spells it: {@code invalid_data}. */
  @Override
  public String toString() {
    return name().toLowerCase(Locale.ROOT);
  }

  /** Return the reason with this spelling; UNPROCESSABLE for one of a later version of the service. */
  static Reason of(String text) {
    for (Reason reason : values()) {
      if (reason.toString().equals(text)) {
        return reason;
      }
    }
    return UNPROCESSABLE;
  }
}
