package io.tocsin.client;

import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.UUID;

/** Sets what events of all types have in common; {@link EventAttributes} says what each attribute means. */
@SuppressWarnings("unchecked")
public abstract class EventBuilder<B extends EventBuilder<B>> {
  private String source;
  private String id;
  private OffsetDateTime time;
  private String actor;
  private String subject;
  private OffsetDateTime expires;
  private OffsetDateTime deliverAt;
  private String supersedeKey;
  private String partitionKey;
  private String traceparent;
  private final Map<String, Object> extensions = new LinkedHashMap<>();

  /** Set where the event comes from; required. */
  public final B source(String source) {
    this.source = source;
    return (B) this;
  }

  /** Set the id: {@link EventId#of} derives it from the fact. */
  public final B id(String id) {
    this.id = id;
    return (B) this;
  }

  /** Set when it happened. */
  public final B time(OffsetDateTime time) {
    this.time = time;
    return (B) this;
  }

  /** Set the recipient who caused it, and is not notified. */
  public final B actor(String actor) {
    this.actor = actor;
    return (B) this;
  }

  /** Set what it is about. */
  public final B subject(String subject) {
    this.subject = subject;
    return (B) this;
  }

  /** Set until when it may be delivered. */
  public final B expires(OffsetDateTime expires) {
    this.expires = expires;
    return (B) this;
  }

  /** Set before when it is not delivered. */
  public final B deliverAt(OffsetDateTime deliverAt) {
    this.deliverAt = deliverAt;
    return (B) this;
  }

  /** Set the supersede key in place of the type's. */
  public final B supersedeKey(String supersedeKey) {
    this.supersedeKey = supersedeKey;
    return (B) this;
  }

  /** Set the key of events whose order is kept. */
  public final B partitionKey(String partitionKey) {
    this.partitionKey = partitionKey;
    return (B) this;
  }

  /** Set the parent of its trace. */
  public final B traceparent(String traceparent) {
    this.traceparent = traceparent;
    return (B) this;
  }

  /** Set another extension of CloudEvents: text, an integer or a boolean. */
  public final B extension(String name, Object value) {
    extensions.put(name, value);
    return (B) this;
  }

  /** Return the attributes: a random id and the present time where none was set. */
  protected final EventAttributes attributes() {
    return new EventAttributes(
        source,
        id == null ? UUID.randomUUID().toString() : id,
        time == null ? OffsetDateTime.now(ZoneOffset.UTC) : time,
        actor,
        subject,
        expires,
        deliverAt,
        supersedeKey,
        partitionKey,
        traceparent,
        Collections.unmodifiableMap(new LinkedHashMap<>(extensions)));
  }
}
