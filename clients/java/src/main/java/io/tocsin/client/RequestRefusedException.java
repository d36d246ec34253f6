package io.tocsin.client;

/** The API refuses the request for a reason that is not the event's. */
public final class RequestRefusedException extends PublishException {
  private static final long serialVersionUID = 1L;

  private final int status;

  public RequestRefusedException(int status, String detail) {
    super("HTTP " + status + ": " + detail, null);
    this.status = status;
  }

  /** Return the status of the answer. */
  public int status() {
    return status;
  }
}
