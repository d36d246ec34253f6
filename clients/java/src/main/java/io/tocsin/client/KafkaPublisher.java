package io.tocsin.client;

import io.cloudevents.CloudEvent;
import io.cloudevents.core.message.Encoding;
import io.cloudevents.core.message.MessageWriter;
import io.cloudevents.kafka.KafkaMessageFactory;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.config.ConfigException;
import org.apache.kafka.common.errors.InterruptException;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * A {@link Publisher} over Kafka: an idempotent producer, and a key that keeps the order of a recipient's events.
 *
 * <p>It needs the artifacts {@code cloudevents-kafka} and {@code kafka-clients}.
 */
public final class KafkaPublisher implements Publisher, AutoCloseable {
  private final String topic;
  private final Encoding encoding;
  private final Duration timeout;
  private final KafkaProducer<String, byte[]> producer;

  private KafkaPublisher(Builder builder) {
    topic = builder.topic;
    encoding = builder.encoding;
    timeout = builder.timeout;
    int timeoutMs = Math.toIntExact(timeout.toMillis());
    Map<String, Object> settings = new HashMap<>();
    settings.put(ProducerConfig.LINGER_MS_CONFIG, 0);
    settings.put(ProducerConfig.REQUEST_TIMEOUT_MS_CONFIG, timeoutMs);
    settings.put(ProducerConfig.DELIVERY_TIMEOUT_MS_CONFIG, timeoutMs);
    settings.put(ProducerConfig.MAX_BLOCK_MS_CONFIG, timeoutMs);
    settings.putAll(builder.options);
    settings.put(ProducerConfig.BOOTSTRAP_SERVERS_CONFIG, builder.bootstrapServers);
    settings.put(ProducerConfig.ENABLE_IDEMPOTENCE_CONFIG, true);
    settings.put(ProducerConfig.ACKS_CONFIG, "all");
    try {
      producer = new KafkaProducer<>(settings, new StringSerializer(), new ByteArraySerializer());
    } catch (ConfigException error) { // of the options
      throw error;
    } catch (KafkaException error) {
      throw new UnavailableException("Kafka cannot be reached: " + error.getCause(), error);
    }
  }

  /** Return a builder. */
  public static Builder builder(String bootstrapServers) {
    return new Builder(bootstrapServers);
  }

  /** Return once all events are acknowledged by all replicas in sync. */
  @Override
  public void publishCloudEvents(List<? extends CloudEvent> events) {
    long end = System.nanoTime() + timeout.toNanos();
    try {
      // Everything is made before anything is sent.
      List<ProducerRecord<String, byte[]>> records = new ArrayList<>();
      for (CloudEvent event : events) {
        records.add(record(event));
      }
      List<Future<?>> sent = new ArrayList<>();
      for (ProducerRecord<String, byte[]> record : records) {
        sent.add(producer.send(record));
      }
      for (Future<?> future : sent) {
        future.get(end - System.nanoTime(), TimeUnit.NANOSECONDS);
      }
    } catch (InterruptedException | InterruptException error) {
      Thread.currentThread().interrupt();
      throw new UnavailableException("interrupted before the acknowledgement", error);
    } catch (TimeoutException error) {
      throw new UnavailableException("no acknowledgement within " + timeout.toMillis() + " ms", error);
    } catch (ExecutionException error) {
      throw new UnavailableException("not acknowledged: " + error.getCause(), error.getCause());
    } catch (KafkaException error) {
      throw new UnavailableException("not acknowledged: " + error, error);
    }
  }

  private ProducerRecord<String, byte[]> record(CloudEvent event) {
    Object key = event.getExtension("partitionkey");
    MessageWriter<?, ProducerRecord<String, byte[]>> writer =
        KafkaMessageFactory.createWriter(topic, null, key == null ? null : key.toString());
    return encoding == Encoding.STRUCTURED
        ? writer.writeStructured(event, CloudEvents.JSON)
        : writer.writeBinary(event);
  }

  @Override
  public void close() {
    producer.close(timeout);
  }

  /** Options of the publisher, each with a default. */
  public static final class Builder {
    private final String bootstrapServers;
    private String topic = "events";
    private Encoding encoding = Encoding.STRUCTURED;
    private Duration timeout = Duration.ofSeconds(30);
    private Map<String, ?> options = Map.of();

    private Builder(String bootstrapServers) {
      this.bootstrapServers = bootstrapServers;
    }

    /** Set the topic. */
    public Builder topic(String topic) {
      this.topic = topic;
      return this;
    }

    /** Set how an event is carried: as one JSON document, or as headers and data. */
    public Builder encoding(Encoding encoding) {
      this.encoding = encoding;
      return this;
    }

    /** Set for how long {@code publish} waits for the acknowledgement of all replicas. */
    public Builder timeout(Duration timeout) {
      this.timeout = timeout;
      return this;
    }

    /** Set options of the producer, such as its security. */
    public Builder options(Map<String, ?> options) {
      this.options = Map.copyOf(options);
      return this;
    }

    /** Return the publisher, which may be used in several threads. Close it. */
    public KafkaPublisher build() {
      return new KafkaPublisher(this);
    }
  }
}
