package io.tocsin.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.cloudevents.CloudEvent;
import io.tocsin.client.types.InvoiceAvailable;
import io.tocsin.client.types.MessageFromSeller;
import io.tocsin.client.types.Overbid;
import io.tocsin.client.types.PaymentFailed;
import io.tocsin.client.types.Winner;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.net.URI;
import java.time.OffsetDateTime;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** Events: their structured form, keys, withdrawing, superseding, and the CloudEvents that carry them. */
class EventsTest {
  private static final OffsetDateTime AT = OffsetDateTime.parse("2026-10-01T08:00:00Z");
  private static final String TEXT = "2026-10-01T08:00:00Z";

  private static Overbid.Builder overbid() {
    return Overbid.builder()
        .source("/auctions")
        .recipients("alice", "bob")
        .data(Overbid.Data.builder().lotId("7").build());
  }

  private static Overbid withData(String name, Object value) {
    return overbid().data(Overbid.Data.builder().lotId("7").put(name, value).build()).build();
  }

  private static Reason reason(Event event) {
    return assertThrows(InvalidEventException.class, event::toCloudEvent).reason();
  }

  @Test
  void theStructuredFormHasTheNamesOfTheWire() {
    Overbid event =
        overbid()
            .id("1")
            .time(AT)
            .actor("carol")
            .expires(AT)
            .deliverAt(AT)
            .supersedeKey("k")
            .subject("s")
            .traceparent("t")
            .extension("tenant", "acme")
            .build();

    Map<String, Object> expected = new HashMap<>();
    expected.putAll(Map.of("specversion", "1.0", "id", "1", "source", "/auctions", "type", "overbid", "time", TEXT));
    expected.putAll(Map.of("recipients", "[\"alice\",\"bob\"]", "actor", "carol", "subject", "s", "expires", TEXT));
    expected.putAll(Map.of("deliverat", TEXT, "supersedekey", "k", "partitionkey", "alice", "traceparent", "t"));
    expected.putAll(
        Map.of("tenant", "acme", "datacontenttype", "application/json", "data", Map.of("lot_id", "7")));
    assertEquals(expected, event.fields());
  }

  @Test
  void theKeyIsThatOfTheAudience() {
    assertEquals("alice", overbid().build().key());
    assertEquals("lot-7", overbid().partitionKey("lot-7").build().key());
    assertEquals("1", overbid().recipients(List.of()).id("1").build().key());
    assertEquals("acme", PaymentFailed.builder().source("/s").account("acme").build().key());
    assertEquals("12345", InvoiceAvailable.builder().source("/s").externalId("12345").build().key());
    MessageFromSeller.Data data =
        MessageFromSeller.Data.builder().senderId("bob").receiverId("alice").lotId("7").build();
    assertEquals("alice", MessageFromSeller.builder().source("/s").data(data).build().key());
  }

  @Test
  void aCloudEventCanBeReadAgain() {
    CloudEvent event =
        overbid().id("1").time(AT).extension("n", 5).extension("big", 5_000_000_000L).extension("flag", true).build()
            .toCloudEvent();

    CloudEvent again = CloudEvents.read(CloudEvents.structured(event));

    assertEquals(
        List.of("1", URI.create("/auctions"), "overbid", AT),
        List.of(again.getId(), again.getSource(), again.getType(), again.getTime()));
    assertEquals("alice", again.getExtension("partitionkey"));
    assertEquals(List.of(5, true), List.of(again.getExtension("n"), again.getExtension("flag")));
    assertEquals("5000000000", again.getExtension("big").toString());
    assertEquals("{\"lot_id\":\"7\"}", new String(again.getData().toBytes()));
  }

  @Test
  void anInvalidEventHasItsReason() {
    assertEquals(Reason.INVALID_DATA, reason(overbid().data(Overbid.Data.builder().build()).build()));
    assertEquals(Reason.MISSING_ATTRIBUTE, reason(overbid().source("").build()));
    assertEquals(Reason.INVALID_ATTRIBUTE, reason(overbid().source("/a b").build()));
    assertEquals(Reason.INVALID_ATTRIBUTE, reason(overbid().extension("a_b", "c").build()));
    assertEquals(Reason.INVALID_ATTRIBUTE, reason(overbid().extension("project_id", "c").build()));
    assertEquals(Reason.MISSING_AUDIENCE, reason(overbid().recipients((List<String>) null).build()));
    assertEquals(Reason.INVALID_ATTRIBUTE, reason(overbid().deliverAt(OffsetDateTime.now().plusDays(400)).build()));
    assertEquals(Reason.INVALID_JSON, reason(withData("at", new Object())));
    assertEquals(Reason.INVALID_JSON, reason(withData("names", Map.of(1, "a"))));
    assertEquals(Reason.NOT_A_NUMBER, reason(withData("n", Float.NaN)));
    assertEquals(Reason.NUMBER_OUT_OF_RANGE, reason(withData("n", BigInteger.ONE.shiftLeft(64))));
    assertEquals(Reason.NUMBER_OUT_OF_RANGE, reason(withData("n", new BigDecimal("1e400"))));
    assertEquals(Reason.LONE_SURROGATE, reason(withData("text", "\ud83d")));
    InvalidEventException refused =
        assertThrows(
            InvalidEventException.class,
            () -> new RecordingPublisher().publish(overbid().build(), overbid().source("").build()));
    assertEquals(1, refused.index());
  }

  @Test
  void timesOfTheDataAreSentAsText() {
    assertEquals(TEXT, ((Map<?, ?>) withData("at", AT).fields().get("data")).get("at"));
    withData("price", new BigDecimal("12.50")).toCloudEvent();
  }

  @Test
  void withdrawalsNameWhatTheyWithdraw() {
    Overbid event = overbid().id("1").build();

    assertEquals(Map.of("id", "1"), Withdraw.of(event).data().fields());
    assertEquals(EventId.of("/auctions", "withdraw", "1"), Withdraw.of(event).id());
    assertEquals(Withdraw.of(event).id(), Withdraw.ofId("/auctions", "1").id());
    Withdraw byData = Withdraw.ofKey(Overbid.TYPE, "/auctions", event.data());
    Withdraw byKey = Withdraw.ofKey(Overbid.TYPE, "/auctions", "7");
    assertEquals(Map.of("type", "overbid", "data", Map.of("lot_id", "7")), byData.data().fields());
    assertEquals(Map.of("type", "overbid", "key", "7"), byKey.data().fields());
    for (Withdraw withdrawal : List.of(Withdraw.of(event), byData, byKey)) {
      assertEquals("withdraw", withdrawal.toCloudEvent().getType());
    }
    for (Withdraw wrong :
        List.of(
            Withdraw.ofKey(Overbid.TYPE, "/auctions", ""),
            Withdraw.ofKey(Overbid.TYPE, "/auctions", Overbid.Data.builder().build()),
            Withdraw.ofKey(Winner.TYPE, "/auctions", Winner.Data.builder().lotId("7").build()),
            Withdraw.ofId("/auctions", ""))) {
      assertEquals(Reason.INVALID_WITHDRAWAL, reason(wrong));
    }
  }

  @Test
  void theNewerEventHasTheKeyOfTheOlderOne() {
    Overbid old = overbid().time(AT).build();
    Overbid newer =
        overbid().time(AT.plusSeconds(1)).data(Overbid.Data.builder().lotId("8").build()).build();

    assertEquals("7", Supersede.of(old, newer).attributes().supersedeKey());
    assertEquals("k", Supersede.of(overbid().time(AT).supersedeKey("k").build(), newer).attributes().supersedeKey());
    assertEquals(newer.id(), Supersede.of(old, newer).id());
    Winner won =
        Winner.builder().source("/auctions").recipients("alice").time(AT).data(Winner.Data.builder().lotId("7").build())
            .build();
    Winner later = won.with(new WinnerAt().source("/auctions").time(AT.plusSeconds(1)).attributes());
    assertRefused("later time", () -> Supersede.of(old, overbid().time(AT).build()));
    assertRefused("cannot supersede", () -> Supersede.of(won, newer));
    assertRefused("no supersede key", () -> Supersede.of(won, later));
  }

  private static final class WinnerAt extends EventBuilder<WinnerAt> {}

  private static void assertRefused(String message, org.junit.jupiter.api.function.Executable call) {
    assertTrue(assertThrows(IllegalArgumentException.class, call).getMessage().contains(message));
  }

  @Test
  void anIdNeedsParts() {
    assertRefused("parts", () -> EventId.of("/auctions"));
    assertRefused("text or an integer", () -> EventId.of("/auctions", 1.5));
  }

  @Test
  void aRecordingPublisherValidatesAndRecords() {
    RecordingPublisher publisher = new RecordingPublisher();
    Overbid event = overbid().build();
    publisher.failWith(new UnavailableException("not now"));

    assertThrows(UnavailableException.class, () -> publisher.publish(event));
    publisher.publish(event, Withdraw.of(event));

    assertEquals(List.of(event), publisher.published(Overbid.class));
    assertEquals(1, publisher.published(Withdraw.class).size());
    assertEquals(List.of("overbid", "withdraw"), publisher.cloudEvents().stream().map(CloudEvent::getType).toList());
    assertThrows(InvalidEventException.class, () -> publisher.publish(overbid().source("").build()));
    assertEquals(2, publisher.cloudEvents().size());
  }
}
