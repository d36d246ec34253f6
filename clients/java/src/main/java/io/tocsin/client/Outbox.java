package io.tocsin.client;

import io.cloudevents.CloudEvent;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;

/**
 * A transactional outbox: events are written with what they are about, and published once that is committed.
 *
 * <p>A publish beside the commit loses the event if the process ends in between, or notifies of what was rolled back.
 */
public final class Outbox {
  private static final Pattern TABLE = Pattern.compile("[A-Za-z_][A-Za-z0-9_]*(?:\\.[A-Za-z_][A-Za-z0-9_]*)?");

  /** The databases. */
  public enum Dialect {
    POSTGRESQL(
        "position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, event text NOT NULL, reason text",
        " FOR UPDATE SKIP LOCKED"),
    SQLITE("position integer PRIMARY KEY AUTOINCREMENT, event text NOT NULL, reason text", "");

    private final String columns;
    private final String lock;

    Dialect(String columns, String lock) {
      this.columns = columns;
      this.lock = lock;
    }
  }

  /** A row that waits: its position, and the event in structured JSON. */
  record Row(long position, String event) {}

  private final Dialect dialect;
  private final String table;

  /** Make an outbox in the table {@code tocsin_outbox}. */
  public Outbox(Dialect dialect) {
    this(dialect, "tocsin_outbox");
  }

  /** Make an outbox in a table, whose name may have a schema before it. */
  public Outbox(Dialect dialect, String table) {
    if (!TABLE.matcher(table).matches()) {
      throw new IllegalArgumentException("table: " + table + " is no name");
    }
    this.dialect = dialect;
    this.table = table;
  }

  /** Return the statement that makes the table. */
  public String ddl() {
    return "CREATE TABLE IF NOT EXISTS " + table + " (" + dialect.columns + ")";
  }

  /**
   * Write events in the connection's transaction.
   *
   * <p>Throw {@link InvalidEventException} before anything is written, and IllegalStateException for a connection in
   * autocommit mode, which has no transaction of yours.
   */
  public void add(Connection connection, Event... events) throws SQLException {
    add(connection, List.of(events));
  }

  /** Write events in the connection's transaction. */
  public void add(Connection connection, List<? extends Event> events) throws SQLException {
    if (connection.getAutoCommit()) {
      throw new IllegalStateException("the connection is in autocommit mode: setAutoCommit(false)");
    }
    List<CloudEvent> cloudEvents = CloudEvents.of(events);
    if (cloudEvents.isEmpty()) {
      return;
    }
    String sql = "INSERT INTO " + table + " (event) VALUES (?)";
    try (PreparedStatement statement = connection.prepareStatement(sql)) {
      for (CloudEvent event : cloudEvents) {
        statement.setString(1, new String(CloudEvents.structured(event), StandardCharsets.UTF_8));
        statement.addBatch();
      }
      statement.executeBatch();
    }
  }

  /** Return the next events, locked for this transaction if the database can. */
  List<Row> waiting(Connection connection, int limit) throws SQLException {
    String where = " WHERE reason IS NULL ORDER BY position LIMIT " + limit;
    String sql = "SELECT position, event FROM " + table + where + dialect.lock;
    List<Row> rows = new ArrayList<>();
    try (PreparedStatement statement = connection.prepareStatement(sql);
        ResultSet result = statement.executeQuery()) {
      while (result.next()) {
        rows.add(new Row(result.getLong(1), result.getString(2)));
      }
    }
    // Without locks the transaction ends here: it would hold up the commits of others while events are published.
    if (rows.isEmpty() || dialect.lock.isEmpty()) {
      connection.rollback();
    }
    return rows;
  }

  /** Delete the events of these rows, but keep those that were refused, with the reason. */
  void finish(Connection connection, List<Row> rows, Map<Long, Reason> refused) throws SQLException {
    String delete = "DELETE FROM " + table + " WHERE position = ?";
    String keep = "UPDATE " + table + " SET reason = ? WHERE position = ?";
    try (PreparedStatement deletes = connection.prepareStatement(delete);
        PreparedStatement keeps = connection.prepareStatement(keep)) {
      for (Row row : rows) {
        if (refused.containsKey(row.position())) {
          keeps.setString(1, refused.get(row.position()).toString());
          keeps.setLong(2, row.position());
          keeps.addBatch();
        } else {
          deletes.setLong(1, row.position());
          deletes.addBatch();
        }
      }
      deletes.executeBatch();
      keeps.executeBatch();
    }
    connection.commit();
  }
}
