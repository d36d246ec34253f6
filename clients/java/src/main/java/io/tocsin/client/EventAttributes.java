package io.tocsin.client;

import java.time.OffsetDateTime;
import java.util.Map;

/**
 * What events of all types have in common. Only {@code source}, {@code id}, {@code time} and {@code extensions} are
 * never null.
 *
 * @param source where the event comes from; with {@code id} it identifies the event: Tocsin delivers the pair once
 * @param id a random UUID unless it is set
 * @param time when it happened; now unless it is set
 * @param actor the recipient who caused it, and is not notified
 * @param subject what it is about
 * @param expires a delivery that is not made by then is not made
 * @param deliverAt it is not delivered before
 * @param supersedeKey replaces that of the type
 * @param partitionKey of events with the same one the order is kept; the default is the first recipient, else the
 *     account, the group or the id
 * @param traceparent of W3C Trace Context
 * @param extensions further extensions of CloudEvents: text, integers and booleans
 */
public record EventAttributes(
    String source,
    String id,
    OffsetDateTime time,
    String actor,
    String subject,
    OffsetDateTime expires,
    OffsetDateTime deliverAt,
    String supersedeKey,
    String partitionKey,
    String traceparent,
    Map<String, Object> extensions) {

  EventAttributes withSupersedeKey(String key) {
    return new EventAttributes(
        source, id, time, actor, subject, expires, deliverAt, key, partitionKey, traceparent, extensions);
  }
}
