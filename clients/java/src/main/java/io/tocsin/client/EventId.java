package io.tocsin.client;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.UUID;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** Ids that are derived from what events are about. */
public final class EventId {
  private static final UUID NAMESPACE = UUID.fromString("5f0c8f9e-3a53-5c3e-9f0b-6a3d0c1e7b52");

  private EventId() {}

  /**
   * Return the id of a fact: the same source and parts always give the same UUID (version 5, RFC 9562).
   *
   * <p>A fact that is published again by another attempt of a job or request has no second effect then.
   *
   * @param parts text and integers that tell the fact from others of the source
   */
  public static String of(String source, Object... parts) {
    if (parts.length == 0) {
      throw new IllegalArgumentException("an id needs parts that tell the fact from others of the source");
    }
    String name =
        Stream.concat(Stream.of(source), Arrays.stream(parts)).map(EventId::text).collect(Collectors.joining("|"));
    return version5(name.getBytes(StandardCharsets.UTF_8)).toString();
  }

  private static String text(Object part) {
    boolean integer = part instanceof Long || part instanceof Integer || part instanceof Short;
    if (!integer && !(part instanceof String)) {
      throw new IllegalArgumentException("a part of an id is text or an integer: " + part);
    }
    return part.toString().replace("%", "%25").replace("|", "%7C");
  }

  private static UUID version5(byte[] name) {
    try {
      MessageDigest digest = MessageDigest.getInstance("SHA-1");
      digest.update(
          ByteBuffer.allocate(16)
              .putLong(NAMESPACE.getMostSignificantBits())
              .putLong(NAMESPACE.getLeastSignificantBits())
              .array());
      ByteBuffer hash = ByteBuffer.wrap(digest.digest(name));
      long most = hash.getLong() & ~0xF000L | 0x5000L;
      long least = hash.getLong() & ~(3L << 62) | 2L << 62;
      return new UUID(most, least);
    } catch (NoSuchAlgorithmException error) {
      throw new IllegalStateException(error); // every Java platform has it
    }
  }
}
