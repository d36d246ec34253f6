package io.tocsin.client;

/** An event that cannot be accepted, as it is, however often it is sent. */
public final class InvalidEventException extends IllegalArgumentException {
  private static final long serialVersionUID = 1L;

  private final Reason reason;
  private final String detail;
  private final int index;

  public InvalidEventException(Reason reason, String detail) {
    this(reason, detail, 0);
  }

  public InvalidEventException(Reason reason, String detail, int index) {
    super(detail.isEmpty() ? reason.toString() : reason + ": " + detail);
    this.reason = reason;
    this.detail = detail;
    this.index = index;
  }

  /** Return why it is refused. */
  public Reason reason() {
    return reason;
  }

  /** Return the place that is at fault. */
  public String detail() {
    return detail;
  }

  /** Return the event's place in the call of {@code publish}. */
  public int index() {
    return index;
  }
}
