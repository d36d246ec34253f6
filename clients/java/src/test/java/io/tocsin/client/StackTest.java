package io.tocsin.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import examples.Auction;
import io.cloudevents.CloudEvent;
import io.cloudevents.core.builder.CloudEventBuilder;
import io.cloudevents.core.message.Encoding;
import io.tocsin.client.types.Winner;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfEnvironmentVariable;

/**
 * Publishes to a running Tocsin: BOOTSTRAP and TOPIC of Kafka, TOCSIN_URL and TOCSIN_KEY of the API. What becomes of
 * the events is checked there.
 */
@EnabledIfEnvironmentVariable(named = "BOOTSTRAP", matches = ".+")
class StackTest {
  private static final String SOURCE = "/java-client";
  private static final List<KafkaPublisher> OPEN = new ArrayList<>();
  private static Map<String, Publisher> ways;

  @BeforeAll
  static void connect() {
    ways =
        Map.of(
            "kafka-structured", kafka(Encoding.STRUCTURED),
            "kafka-binary", kafka(Encoding.BINARY),
            "http-structured", http(Encoding.STRUCTURED),
            "http-binary", http(Encoding.BINARY));
  }

  @AfterAll
  static void close() {
    OPEN.forEach(KafkaPublisher::close);
  }

  private static Publisher kafka(Encoding encoding) {
    KafkaPublisher publisher =
        KafkaPublisher.builder(System.getenv("BOOTSTRAP")).topic(System.getenv("TOPIC")).encoding(encoding).build();
    OPEN.add(publisher);
    return publisher;
  }

  private static Publisher http(Encoding encoding) {
    return HttpPublisher.builder(System.getenv("TOCSIN_URL"), System.getenv("TOCSIN_KEY")).encoding(encoding).build();
  }

  private static Winner winner(String id) {
    return Winner.builder()
        .id(id)
        .source(SOURCE)
        .recipients("alice")
        .subject("Lot 7, \"größte\" 100 %")
        .data(Winner.Data.builder().lotId("7").build())
        .build();
  }

  @Test
  void everyWayPublishesSingleAndSeveralEventsTwice() {
    ways.forEach(
        (way, publisher) -> {
          publisher.publish(winner(way + "-0"));
          publisher.publish(winner(way + "-0"), winner(way + "-1"), winner(way + "-2"));
        });
  }

  @Test
  void anEventIsWithdrawn() {
    Winner event = winner("withdrawn");
    ways.get("http-structured").publish(event);
    ways.get("http-structured").publish(Withdraw.of(event));
  }

  @Test
  void whatIsRefusedHereIsRefusedThereForTheSameReason() {
    Map<Reason, CloudEventBuilder> refused =
        Map.of(
            Reason.INVALID_DATA, cloudEvent("winner", "{}").withExtension("recipients", "alice"),
            Reason.MISSING_AUDIENCE, cloudEvent("winner", "{\"lot_id\": \"7\"}"),
            Reason.INVALID_ATTRIBUTE, cloudEvent("winner", "{\"lot_id\": \"7\"}").withExtension("recipients", "[1]"),
            Reason.INVALID_WITHDRAWAL, cloudEvent("withdraw", "{}"),
            Reason.UNKNOWN_TYPE, cloudEvent("no_such_type", "{}"));
    refused.forEach(
        (reason, builder) ->
            ways.forEach(
                (way, publisher) -> {
                  CloudEvent event = builder.withId(reason + "-" + way).build();
                  assertEquals(reason, localReason(event));
                  if (publisher instanceof HttpPublisher) {
                    assertEquals(
                        reason,
                        assertThrows(
                                InvalidEventException.class, () -> publisher.publishCloudEvents(List.of(event)))
                            .reason());
                  } else {
                    publisher.publishCloudEvents(List.of(event));
                  }
                }));
  }

  private static CloudEventBuilder cloudEvent(String type, String data) {
    return CloudEventBuilder.v1()
        .withSource(URI.create(SOURCE))
        .withType(type)
        .withData(Json.CONTENT_TYPE, data.getBytes(StandardCharsets.UTF_8));
  }

  @SuppressWarnings("unchecked")
  private static Reason localReason(CloudEvent event) {
    return assertThrows(
            InvalidEventException.class,
            () ->
                Validator.validate(
                    (Map<String, ?>) Json.read(CloudEvents.structured(event)),
                    Map.of("winner", Winner.TYPE),
                    System.currentTimeMillis()))
        .reason();
  }

  @Test
  void aWrongCredentialIsRefused() {
    HttpPublisher publisher = HttpPublisher.builder(System.getenv("TOCSIN_URL"), "wrong").build();
    assertThrows(AccessDeniedException.class, () -> publisher.publish(winner("denied")));
  }

  @Test
  void theExamplePublishesFromItsOutbox() throws Exception {
    Auction.main("bid", "7", "alice", "100");
    Auction.main("bid", "7", "bob", "120");
    assertEquals(1, waiting());
    Thread relay = new Thread(StackTest::relay);
    relay.start();
    while (waiting() > 0) {
      Thread.sleep(50);
    }
    relay.interrupt();
    relay.join();
  }

  private static void relay() {
    try {
      Auction.main("relay");
    } catch (SQLException error) {
      throw new IllegalStateException(error);
    }
  }

  private static int waiting() throws SQLException {
    try (Connection connection = DriverManager.getConnection("jdbc:sqlite:" + System.getenv("AUCTION_DB"));
        Statement statement = connection.createStatement();
        ResultSet result = statement.executeQuery("SELECT count(*) FROM tocsin_outbox")) {
      return result.getInt(1);
    }
  }

  /** DOCUMENTS are the classes of the programs in the documents. */
  @Test
  @EnabledIfEnvironmentVariable(named = "DOCUMENTS", matches = ".+")
  void theProgramsOfTheDocumentsRun() throws Exception {
    for (String name : System.getenv("DOCUMENTS").split(",")) {
      Class.forName(name).getMethod("main", String[].class).invoke(null, (Object) new String[0]);
    }
  }
}
