package io.tocsin.client;

/** There was no acknowledgement in time: publish the same events again, which has no second effect. */
public final class UnavailableException extends PublishException {
  private static final long serialVersionUID = 1L;

  public UnavailableException(String message) {
    this(message, null);
  }

  public UnavailableException(String message, Throwable cause) {
    super(message, cause);
  }
}
