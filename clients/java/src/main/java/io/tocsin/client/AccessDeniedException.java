package io.tocsin.client;

/** The credential is refused, or may not publish events. */
public final class AccessDeniedException extends PublishException {
  private static final long serialVersionUID = 1L;

  public AccessDeniedException(String detail) {
    super(detail, null);
  }
}
