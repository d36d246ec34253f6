package io.tocsin.client;

/** Events that were not acknowledged. */
public abstract class PublishException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  protected PublishException(String message, Throwable cause) {
    super(message, cause);
  }
}
