package io.tocsin.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.cloudevents.CloudEvent;
import io.tocsin.client.types.Winner;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.FutureTask;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * The outbox on SQLite and on PostgreSQL: nothing is lost, and what is published twice has the same id.
 *
 * <p>POSTGRES is the JDBC URL of an empty database; without it PostgreSQL is skipped.
 */
class OutboxTest {
  @TempDir Path folder;

  /** Connections to a database, and an outbox in it. */
  private final class Database implements AutoCloseable {
    final Outbox outbox;
    final Connection connection;
    private final String url;
    private final String table;

    Database(Outbox.Dialect dialect) throws SQLException {
      boolean sqlite = dialect == Outbox.Dialect.SQLITE;
      url = sqlite ? "jdbc:sqlite:" + folder.resolve("test.db") : System.getenv("POSTGRES");
      assumeTrue(url != null, "POSTGRES is not set");
      table = sqlite ? "tocsin_outbox" : "public.events_out";
      outbox = sqlite ? new Outbox(dialect) : new Outbox(dialect, table);
      connection = open();
      connection.setAutoCommit(false);
      execute("DROP TABLE IF EXISTS " + table);
      execute(outbox.ddl());
    }

    Connection open() throws SQLException {
      return DriverManager.getConnection(url);
    }

    void execute(String sql) throws SQLException {
      try (Statement statement = connection.createStatement()) {
        statement.execute(sql);
      }
      connection.commit();
    }

    void add(int... numbers) throws SQLException {
      outbox.add(connection, IntStream.of(numbers).mapToObj(OutboxTest::winner).toList());
      connection.commit();
    }

    /** Return the id and the reason of what is in the outbox, by position. */
    List<String> rows() throws SQLException {
      List<String> rows = new ArrayList<>();
      try (Statement statement = connection.createStatement();
          ResultSet result = statement.executeQuery("SELECT event, reason FROM " + table + " ORDER BY position")) {
        while (result.next()) {
          rows.add(CloudEvents.read(result.getBytes(1)).getId() + " " + result.getString(2));
        }
      }
      connection.rollback();
      return rows;
    }

    OutboxRelay relay(Publisher publisher, int batch) {
      return new OutboxRelay(outbox, this::open, publisher, batch, Duration.ofMillis(1));
    }

    @Override
    public void close() throws SQLException {
      connection.close();
    }
  }

  private static Winner winner(int number) {
    Winner.Data data = Winner.Data.builder().lotId("7").build();
    return Winner.builder().id("" + number).source("/s").recipients("alice").data(data).build();
  }

  private static List<String> ids(RecordingPublisher publisher) {
    return publisher.cloudEvents().stream().map(CloudEvent::getId).toList();
  }

  @ParameterizedTest
  @EnumSource
  void onlyWhatIsCommittedIsPublishedInItsOrder(Outbox.Dialect dialect) throws Exception {
    RecordingPublisher publisher = new RecordingPublisher();
    try (Database database = new Database(dialect);
        OutboxRelay relay = database.relay(publisher, 2)) {
      database.add(3, 1);
      database.outbox.add(database.connection, winner(9));
      database.connection.rollback();
      database.add(2);

      assertEquals(
          List.of(2, 1, 0), List.of(relay.publishBatch(), relay.publishBatch(), relay.publishBatch()));
      assertEquals(List.of("3", "1", "2"), ids(publisher));
      assertEquals(List.of(), database.rows());
    }
  }

  @ParameterizedTest
  @EnumSource
  void anInvalidEventIsRefusedWhenItIsAdded(Outbox.Dialect dialect) throws Exception {
    try (Database database = new Database(dialect)) {
      Winner wrong = Winner.builder().source("/s").recipients("a").build();
      InvalidEventException refused =
          assertThrows(
              InvalidEventException.class, () -> database.outbox.add(database.connection, winner(1), wrong));
      assertEquals(List.of(Reason.INVALID_DATA, 1), List.of(refused.reason(), refused.index()));
      assertEquals(List.of(), database.rows());
      database.connection.setAutoCommit(true);
      assertThrows(IllegalStateException.class, () -> database.outbox.add(database.connection, winner(1)));
    }
  }

  /** Publishes, and lets the process end before the events are deleted. */
  private static final class Ending implements Publisher {
    final RecordingPublisher recording = new RecordingPublisher();
    int ends = 1;

    @Override
    public void publishCloudEvents(List<? extends CloudEvent> events) {
      recording.publishCloudEvents(events);
      if (ends-- > 0) {
        throw new IllegalStateException("the process ends here");
      }
    }
  }

  @ParameterizedTest
  @EnumSource
  void whatWasNotDeletedIsPublishedAgain(Outbox.Dialect dialect) throws Exception {
    Ending publisher = new Ending();
    try (Database database = new Database(dialect);
        OutboxRelay relay = database.relay(publisher, 100)) {
      database.add(1, 2);

      assertThrows(IllegalStateException.class, relay::publishBatch);
      assertEquals(2, relay.publishBatch());

      assertEquals(List.of("1", "2", "1", "2"), ids(publisher.recording));
      assertEquals(List.of(), database.rows());
    }
  }

  /** Refuses some events, as an API that does not know their type. */
  private static final class Refusing implements Publisher {
    final RecordingPublisher recording = new RecordingPublisher();

    @Override
    public void publishCloudEvents(List<? extends CloudEvent> events) {
      for (int index = 0; index < events.size(); index++) {
        if (Set.of("2", "4").contains(events.get(index).getId())) {
          throw new InvalidEventException(Reason.UNKNOWN_TYPE, "winner", index);
        }
      }
      recording.publishCloudEvents(events);
    }
  }

  @ParameterizedTest
  @EnumSource
  void aRefusedEventDoesNotStopTheRest(Outbox.Dialect dialect) throws Exception {
    Refusing publisher = new Refusing();
    try (Database database = new Database(dialect);
        OutboxRelay relay = database.relay(publisher, 100)) {
      database.add(1, 2, 3, 4);

      assertEquals(List.of(4, 0), List.of(relay.publishBatch(), relay.publishBatch()));
      assertEquals(List.of("1", "3"), ids(publisher.recording));
      assertEquals(List.of("2 unknown_type", "4 unknown_type"), database.rows());
    }
  }

  @ParameterizedTest
  @EnumSource
  void itWaitsUntilEventsCanBePublished(Outbox.Dialect dialect) throws Exception {
    RecordingPublisher publisher = new RecordingPublisher();
    publisher.failWith(new UnavailableException("not now"));
    CountDownLatch opened = new CountDownLatch(3);
    try (Database database = new Database(dialect)) {
      database.add(1);
      OutboxRelay.ConnectionSource connections =
          () -> {
            opened.countDown();
            if (opened.getCount() == 2) {
              throw new SQLException("the database is not there");
            }
            return database.open();
          };
      Thread thread =
          new Thread(new OutboxRelay(database.outbox, connections, publisher, 100, Duration.ofMillis(1)));
      thread.start();
      while (!database.rows().isEmpty()) {
        Thread.sleep(1);
      }
      thread.interrupt();
      thread.join();
      assertEquals(List.of("1"), ids(publisher));
      assertEquals(0, opened.getCount());
    }
  }

  /** Acknowledges nothing until it may. */
  private static final class Slow implements Publisher {
    final RecordingPublisher recording = new RecordingPublisher();
    final CountDownLatch publishing = new CountDownLatch(1);
    final CountDownLatch acknowledge = new CountDownLatch(1);

    @Override
    public void publishCloudEvents(List<? extends CloudEvent> events) {
      publishing.countDown();
      try {
        acknowledge.await();
      } catch (InterruptedException error) {
        Thread.currentThread().interrupt();
        throw new UnavailableException("interrupted", error);
      }
      recording.publishCloudEvents(events);
    }
  }

  @ParameterizedTest
  @EnumSource
  void twoRelaysLoseNothing(Outbox.Dialect dialect) throws Exception {
    Slow slow = new Slow();
    RecordingPublisher fast = new RecordingPublisher();
    try (Database database = new Database(dialect);
        OutboxRelay first = database.relay(slow, 2);
        OutboxRelay second = database.relay(fast, 2)) {
      database.add(1, 2, 3);
      FutureTask<Integer> publishing = new FutureTask<>(first::publishBatch);
      new Thread(publishing).start();
      slow.publishing.await();
      database.add(4); // the transaction of a service is not held up by a relay that publishes
      while (second.publishBatch() > 0) {}
      slow.acknowledge.countDown();

      assertEquals(2, publishing.get());
      assertEquals(List.of("1", "2"), ids(slow.recording));
      assertEquals(List.of(), database.rows());
      boolean locks = dialect == Outbox.Dialect.POSTGRESQL;
      assertEquals(locks ? List.of("3", "4") : List.of("1", "2", "3", "4"), ids(fast));
    }
  }

  @ParameterizedTest
  @EnumSource
  void aRelayThatIsInterruptedGivesItsRowsBack(Outbox.Dialect dialect) throws Exception {
    Slow slow = new Slow();
    RecordingPublisher other = new RecordingPublisher();
    try (Database database = new Database(dialect);
        OutboxRelay relay = database.relay(other, 100)) {
      database.add(1);
      Thread first = new Thread(database.relay(slow, 100));
      first.start();
      slow.publishing.await();
      first.interrupt();
      first.join();
      relay.publishBatch();
      assertEquals(List.of("1"), ids(other));
    }
  }

  @Test
  void aTableHasAName() {
    for (String table : List.of("", "a b", "a;DROP TABLE x", "a.b.c", "1a")) {
      IllegalArgumentException refused =
          assertThrows(IllegalArgumentException.class, () -> new Outbox(Outbox.Dialect.SQLITE, table));
      assertTrue(refused.getMessage().startsWith("table"));
    }
  }
}
