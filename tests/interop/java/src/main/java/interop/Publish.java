package interop;

import io.cloudevents.CloudEvent;
import io.cloudevents.core.builder.CloudEventBuilder;
import io.cloudevents.core.message.Encoding;
import io.cloudevents.core.message.MessageWriter;
import io.cloudevents.http.HttpMessageFactory;
import io.cloudevents.jackson.JsonFormat;
import io.cloudevents.kafka.CloudEventSerializer;
import java.net.HttpURLConnection;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.time.OffsetDateTime;
import java.util.Map;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Publishes events to Tocsin with the CloudEvents SDK for Java: structured and binary, over Kafka and HTTP.
 *
 * <p>BOOTSTRAP, TOPIC, URL and TOKEN say where; the id of each event is "java-" and its form.
 */
public final class Publish {
  private Publish() {}

  private static CloudEvent event(String form) {
    return CloudEventBuilder.v1()
        .withId("java-" + form)
        .withSource(URI.create("/interop"))
        .withType("com.example.winner")
        .withTime(OffsetDateTime.now())
        .withSubject("Lot 7, \"größte\" 100 %")
        .withExtension("recipients", "alice,bob")
        .withData("application/json", "{\"lot_id\":\"7\"}".getBytes(StandardCharsets.UTF_8))
        .build();
  }

  private static void overKafka(Encoding encoding) throws Exception {
    Map<String, Object> settings =
        Map.of(
            ProducerConfig.BOOTSTRAP_SERVERS_CONFIG, System.getenv("BOOTSTRAP"),
            CloudEventSerializer.ENCODING_CONFIG, encoding,
            CloudEventSerializer.EVENT_FORMAT_CONFIG, JsonFormat.CONTENT_TYPE);
    CloudEventSerializer serializer = new CloudEventSerializer();
    serializer.configure(settings, false);
    try (KafkaProducer<String, CloudEvent> producer =
        new KafkaProducer<>(settings, new StringSerializer(), serializer)) {
      CloudEvent event = event("kafka-" + encoding.name().toLowerCase());
      producer.send(new ProducerRecord<>(System.getenv("TOPIC"), event)).get();
    }
  }

  private static void overHttp(Encoding encoding) throws Exception {
    HttpURLConnection connection =
        (HttpURLConnection) URI.create(System.getenv("URL")).toURL().openConnection();
    connection.setRequestMethod("POST");
    connection.setDoOutput(true);
    connection.setRequestProperty("Authorization", "Bearer " + System.getenv("TOKEN"));
    MessageWriter<?, ?> writer =
        HttpMessageFactory.createWriter(
            connection::setRequestProperty,
            body -> {
              try {
                connection.getOutputStream().write(body);
              } catch (java.io.IOException error) {
                throw new java.io.UncheckedIOException(error);
              }
            });
    CloudEvent event = event("http-" + encoding.name().toLowerCase());
    if (encoding == Encoding.STRUCTURED) {
      writer.writeStructured(event, JsonFormat.CONTENT_TYPE);
    } else {
      writer.writeBinary(event);
    }
    if (connection.getResponseCode() != 202) {
      throw new IllegalStateException(connection.getResponseCode() + " " + connection.getResponseMessage());
    }
  }

  public static void main(String[] arguments) throws Exception {
    for (Encoding encoding : new Encoding[] {Encoding.STRUCTURED, Encoding.BINARY}) {
      overKafka(encoding);
      overHttp(encoding);
    }
  }
}
