package examples;

import io.tocsin.client.EventId;
import io.tocsin.client.HttpPublisher;
import io.tocsin.client.Outbox;
import io.tocsin.client.OutboxRelay;
import io.tocsin.client.types.Overbid;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;

/**
 * An auction that notifies bidders who are overbid, with a transactional outbox in SQLite.
 *
 * <pre>
 * bid 7 bob 120    a bid, and its event, in one transaction
 * relay            publishes what is committed, until it is stopped
 * </pre>
 *
 * <p>AUCTION_DB names the database; TOCSIN_URL and TOCSIN_KEY say where events go.
 */
public final class Auction {
  private static final String SOURCE = "/auctions";
  private static final Outbox OUTBOX = new Outbox(Outbox.Dialect.SQLITE);

  private Auction() {}

  /** Return a connection to the database, whose tables exist, with a transaction. */
  static Connection connect() throws SQLException {
    Connection connection = DriverManager.getConnection("jdbc:sqlite:" + variable("AUCTION_DB", "auction.db"));
    try (Statement statement = connection.createStatement()) {
      statement.execute("CREATE TABLE IF NOT EXISTS bids (lot integer, bidder text, amount integer)");
      statement.execute(OUTBOX.ddl());
    }
    connection.setAutoCommit(false);
    return connection;
  }

  /** Record a bid; the bidder with the highest one before is notified. Both are committed, or neither. */
  static void bid(Connection connection, int lot, String bidder, int amount) throws SQLException {
    String before = null;
    String highest = "SELECT bidder, amount FROM bids WHERE lot = ? ORDER BY amount DESC LIMIT 1";
    try (PreparedStatement statement = connection.prepareStatement(highest)) {
      statement.setInt(1, lot);
      try (ResultSet result = statement.executeQuery()) {
        if (result.next()) {
          before = result.getString(1);
          if (amount <= result.getInt(2)) {
            throw new IllegalArgumentException("the highest bid is " + result.getInt(2));
          }
        }
      }
    }
    try (PreparedStatement statement = connection.prepareStatement("INSERT INTO bids VALUES (?, ?, ?)")) {
      statement.setInt(1, lot);
      statement.setString(2, bidder);
      statement.setInt(3, amount);
      statement.execute();
    }
    if (before != null && !before.equals(bidder)) {
      OUTBOX.add(
          connection,
          Overbid.builder()
              .id(EventId.of(SOURCE, "lot", lot, "bid", amount))
              .source(SOURCE)
              .recipients(before)
              .actor(bidder)
              .data(Overbid.Data.builder().lotId("" + lot).build())
              .build());
    }
    connection.commit();
  }

  /** Publish what is committed. */
  static void relay() {
    HttpPublisher publisher =
        HttpPublisher.builder(variable("TOCSIN_URL", "http://127.0.0.1:8000"), System.getenv("TOCSIN_KEY")).build();
    new OutboxRelay(OUTBOX, Auction::connect, publisher, 100, Duration.ofMillis(200)).run();
  }

  private static String variable(String name, String otherwise) {
    return System.getenv().getOrDefault(name, otherwise);
  }

  public static void main(String... arguments) throws SQLException {
    if (arguments.length == 4 && arguments[0].equals("bid")) {
      try (Connection connection = connect()) {
        bid(connection, Integer.parseInt(arguments[1]), arguments[2], Integer.parseInt(arguments[3]));
      }
    } else if (arguments.length == 1 && arguments[0].equals("relay")) {
      relay();
    } else {
      throw new IllegalArgumentException("bid LOT BIDDER AMOUNT, or relay");
    }
  }
}
