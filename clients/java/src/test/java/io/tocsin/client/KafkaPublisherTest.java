package io.tocsin.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.tocsin.client.types.Winner;
import java.time.Duration;
import java.util.Map;
import org.apache.kafka.common.config.ConfigException;
import org.junit.jupiter.api.Test;

/** The publisher over Kafka without a broker; {@link StackTest} has one. */
class KafkaPublisherTest {
  private static KafkaPublisher.Builder publisher() {
    return KafkaPublisher.builder("127.0.0.1:1").timeout(Duration.ofMillis(200));
  }

  private static Winner winner(String source) {
    Winner.Data data = Winner.Data.builder().lotId("7").build();
    return Winner.builder().source(source).recipients("alice").data(data).build();
  }

  @Test
  void whatIsNotAcknowledgedInTimeIsUnavailable() {
    try (KafkaPublisher publisher = publisher().build()) {
      assertThrows(UnavailableException.class, () -> publisher.publish(winner("/s")));
    }
    KafkaPublisher.Builder nowhere = KafkaPublisher.builder("no.such.host.invalid:9092");
    assertThrows(UnavailableException.class, nowhere::build);
  }

  @Test
  void anInvalidEventIsRefusedWithItsPlace() {
    try (KafkaPublisher publisher = publisher().build()) {
      InvalidEventException refused =
          assertThrows(InvalidEventException.class, () -> publisher.publish(winner("/s"), winner("")));
      assertEquals(1, refused.index());
    }
  }

  @Test
  void aWrongOptionIsNamed() {
    assertThrows(ConfigException.class, () -> publisher().options(Map.of("linger.ms", "soon")).build());
  }
}
