package io.tocsin.client;

/** Events that replace others. */
public final class Supersede {
  private static final int LONGEST_KEY = 1024;

  private Supersede() {}

  /**
   * Return {@code newer} with the supersede key of {@code old}, so that mail of {@code old} that was not sent is not
   * sent.
   *
   * <p>Throw IllegalArgumentException for another type, a {@code newer} that is not newer, and an {@code old} without
   * a key: withdraw that one.
   */
  @SuppressWarnings("unchecked") // `with` returns the event's own class
  public static <E extends Event> E of(Event old, E newer) {
    if (!old.type().equals(newer.type())) {
      throw new IllegalArgumentException(newer.type() + " cannot supersede " + old.type());
    }
    if (!newer.time().isAfter(old.time())) {
      throw new IllegalArgumentException(
          "of events with one supersede key only the newest is mailed: the newer must have a later time");
    }
    String own = old.attributes().supersedeKey();
    String key = own == null || own.isEmpty() ? old.eventType().supersedeKey(old.data().fields()) : own;
    if (key == null || key.isEmpty() || key.codePointCount(0, key.length()) > LONGEST_KEY) {
      throw new IllegalArgumentException(
          "the event has no supersede key of 1 to " + LONGEST_KEY + " characters: withdraw it instead");
    }
    return (E) newer.with(newer.attributes().withSupersedeKey(key));
  }
}
