package io.tocsin.client;

import io.cloudevents.CloudEvent;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * The relay of an outbox: publishes the events in their order, and deletes them once they are acknowledged. Several may
 * run; each is used in one thread.
 *
 * <p>If it ends between the acknowledgement and the commit, the same events are published again, with the same ids,
 * which Tocsin delivers once.
 */
public final class OutboxRelay implements Runnable, AutoCloseable {
  private static final System.Logger LOG = System.getLogger(OutboxRelay.class.getName());

  /** Opens a connection to the database, such as {@code dataSource::getConnection}. */
  @FunctionalInterface
  public interface ConnectionSource {
    Connection open() throws SQLException;
  }

  private final Outbox outbox;
  private final ConnectionSource connections;
  private final Publisher publisher;
  private final int batch;
  private final Duration poll;
  private Connection connection;

  /** Make a relay that publishes 100 events together, and waits for a second when there are none. */
  public OutboxRelay(Outbox outbox, ConnectionSource connections, Publisher publisher) {
    this(outbox, connections, publisher, 100, Duration.ofSeconds(1));
  }

  /**
   * Make a relay.
   *
   * @param connections opens a connection that the relay keeps for itself
   * @param batch the most events that are published together
   * @param poll how long it waits when there are none, or when they cannot be published
   */
  public OutboxRelay(
      Outbox outbox, ConnectionSource connections, Publisher publisher, int batch, Duration poll) {
    this.outbox = outbox;
    this.connections = connections;
    this.publisher = publisher;
    this.batch = batch;
    this.poll = poll;
  }

  /** Publish until the thread is interrupted. Faults of the database and of Tocsin are logged and waited for. */
  @Override
  public void run() {
    try {
      while (!Thread.currentThread().isInterrupted()) {
        int count = 0;
        try {
          count = publishBatch();
        } catch (SQLException | RuntimeException error) {
          LOG.log(System.Logger.Level.WARNING, "outbox_not_published: " + error);
        }
        if (count == 0) {
          Thread.sleep(poll.toMillis());
        }
      }
    } catch (InterruptedException error) {
      Thread.currentThread().interrupt();
    } finally {
      close();
    }
  }

  /**
   * Publish the next events; return their number, of those that are refused too.
   *
   * <p>Throw {@link PublishException}, or the database's errors; the events stay in the outbox then.
   */
  public int publishBatch() throws SQLException {
    boolean finished = false;
    try {
      if (connection == null) {
        connection = connections.open();
        connection.setAutoCommit(false);
      }
      List<Outbox.Row> rows = outbox.waiting(connection, batch);
      if (!rows.isEmpty()) {
        outbox.finish(connection, rows, publish(rows));
      }
      finished = true;
      return rows.size();
    } finally {
      if (!finished) {
        close();
      }
    }
  }

  /** Publish events; return the reasons of those that are refused, by position. One does not stop the rest. */
  private Map<Long, Reason> publish(List<Outbox.Row> rows) {
    Map<Long, Reason> refused = new HashMap<>();
    List<Outbox.Row> waiting = new ArrayList<>(rows);
    while (!waiting.isEmpty()) {
      List<CloudEvent> events =
          waiting.stream().map(row -> CloudEvents.read(row.event().getBytes(StandardCharsets.UTF_8))).toList();
      try {
        publisher.publishCloudEvents(events);
        break;
      } catch (InvalidEventException error) {
        long position = waiting.remove(error.index()).position();
        refused.put(position, error.reason());
        LOG.log(
            System.Logger.Level.ERROR, "outbox_event_refused: position " + position + ": " + error.getMessage());
      }
    }
    return refused;
  }

  /** Close the connection, which rolls back, so that other relays can lock the rows. The next batch opens another. */
  @Override
  public void close() {
    Connection open = connection;
    connection = null;
    if (open == null) {
      return;
    }
    try (open) {
      open.rollback();
    } catch (SQLException error) {
      LOG.log(System.Logger.Level.WARNING, "outbox_connection_not_closed: " + error);
    }
  }
}
