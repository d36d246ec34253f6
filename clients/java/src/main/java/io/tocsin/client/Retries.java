package io.tocsin.client;

import java.time.Duration;
import java.util.concurrent.ThreadLocalRandom;

/**
 * How often a request is made, and the pauses between: doubled each time, with jitter of up to half.
 *
 * @param attempts the most requests, of 1 or more
 * @param pause before the second attempt
 * @param longestPause what pauses are doubled up to
 * @param longestWait a {@code Retry-After} of the API is kept to up to this; a longer one ends the attempts
 */
public record Retries(int attempts, Duration pause, Duration longestPause, Duration longestWait) {
  public static final Retries DEFAULT =
      new Retries(5, Duration.ofMillis(200), Duration.ofSeconds(10), Duration.ofSeconds(60));

  public Retries {
    if (attempts < 1) {
      throw new IllegalArgumentException("attempts: must be 1 or more");
    }
  }

  /** Return the pause after an attempt, which are counted from 0. */
  Duration pauseAfter(int attempt) {
    double ms = Math.min(pause.toMillis() * Math.pow(2, attempt), longestPause.toMillis());
    return Duration.ofMillis((long) (ms * ThreadLocalRandom.current().nextDouble(0.5, 1.0)));
  }
}
