package io.tocsin.client;

import io.cloudevents.CloudEvent;
import io.cloudevents.core.message.Encoding;
import io.cloudevents.http.HttpMessageFactory;
import io.cloudevents.jackson.JsonFormat;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Supplier;

/** A {@link Publisher} over HTTP: {@code POST /v1/events}, with repeats where they have no second effect. */
public final class HttpPublisher implements Publisher {
  private static final int MAX_EVENTS = 500;
  private static final int MAX_BYTES = 900 * 1024;
  private static final String BATCH = "application/cloudevents-batch+json";

  private final URI url;
  private final Supplier<String> credential;
  private final Encoding encoding;
  private final Duration timeout;
  private final Retries retries;
  private final HttpClient client;

  private HttpPublisher(Builder builder) {
    url = URI.create(builder.url.replaceAll("/+$", "") + "/v1/events");
    credential = builder.credential;
    encoding = builder.encoding;
    timeout = builder.timeout;
    retries = builder.retries;
    client =
        builder.client == null
            ? HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).connectTimeout(timeout).build()
            : builder.client;
  }

  /**
   * Return a builder.
   *
   * @param url of the API, as {@code https://tocsin.example}
   * @param credential an API key or a JWT of the scope {@code events}
   */
  public static Builder builder(String url, String credential) {
    return builder(url, () -> credential);
  }

  /** Return a builder. The credential is requested for each request, since tokens expire. */
  public static Builder builder(String url, Supplier<String> credential) {
    return new Builder(url, credential);
  }

  /** Several events are sent as batches. Those before one that the service refuses are published. */
  @Override
  public void publishCloudEvents(List<? extends CloudEvent> events) {
    for (Request request : requests(events)) {
      send(request);
    }
  }

  /** Headers and body. `first`: the place of its first event in the call. */
  private record Request(Map<String, String> headers, byte[] body, int first) {}

  private List<Request> requests(List<? extends CloudEvent> events) {
    if (events.size() == 1) {
      return List.of(single(events.get(0)));
    }
    List<Request> requests = new ArrayList<>();
    List<byte[]> batch = new ArrayList<>();
    int bytes = 0;
    for (int index = 0; index < events.size(); index++) {
      byte[] value = CloudEvents.structured(events.get(index));
      if (!batch.isEmpty() && (batch.size() == MAX_EVENTS || bytes + value.length > MAX_BYTES)) {
        requests.add(batch(batch, index - batch.size()));
        batch.clear();
        bytes = 0;
      }
      batch.add(value);
      bytes += value.length;
    }
    if (!batch.isEmpty()) {
      requests.add(batch(batch, events.size() - batch.size()));
    }
    return requests;
  }

  private Request single(CloudEvent event) {
    if (encoding == Encoding.STRUCTURED) {
      return new Request(Map.of("content-type", JsonFormat.CONTENT_TYPE), CloudEvents.structured(event), 0);
    }
    Map<String, String> headers = new TreeMap<>();
    ByteArrayOutputStream body = new ByteArrayOutputStream();
    HttpMessageFactory.createWriter(headers::put, body::writeBytes).writeBinary(event);
    return new Request(headers, body.toByteArray(), 0);
  }

  private static Request batch(List<byte[]> values, int first) {
    ByteArrayOutputStream body = new ByteArrayOutputStream();
    for (byte[] value : values) {
      body.write(body.size() == 0 ? '[' : ',');
      body.writeBytes(value);
    }
    body.write(']');
    return new Request(Map.of("content-type", BATCH), body.toByteArray(), first);
  }

  private void send(Request request) {
    String detail = "";
    IOException cause = null;
    int attempt = 0;
    try {
      while (true) {
        Duration pause = retries.pauseAfter(attempt);
        try {
          HttpResponse<byte[]> answer = client.send(http(request), HttpResponse.BodyHandlers.ofByteArray());
          if (!isTemporary(answer.statusCode())) {
            check(answer, request.first());
            return;
          }
          detail = "HTTP " + answer.statusCode();
          cause = null;
          Duration after = retryAfter(answer.headers().firstValue("retry-after").orElse(""));
          pause = after == null ? pause : after;
        } catch (IOException error) {
          detail = error.toString();
          cause = error;
        }
        attempt++;
        if (attempt == retries.attempts() || pause.compareTo(retries.longestWait()) > 0) {
          break;
        }
        Thread.sleep(pause.toMillis());
      }
    } catch (InterruptedException error) {
      Thread.currentThread().interrupt();
      throw new UnavailableException("interrupted before the acknowledgement", error);
    }
    throw new UnavailableException("no acknowledgement; attempts: " + attempt + "; the last: " + detail, cause);
  }

  private HttpRequest http(Request request) {
    HttpRequest.Builder http =
        HttpRequest.newBuilder(url)
            .timeout(timeout)
            .header("authorization", "Bearer " + credential.get())
            .POST(HttpRequest.BodyPublishers.ofByteArray(request.body()));
    request.headers().forEach(http::header);
    return http.build();
  }

  private static boolean isTemporary(int status) {
    return status == 408 || status == 429 || status >= 500;
  }

  /** Throw the error of an answer that is no acknowledgement. `first`: the place of the request's first event. */
  private static void check(HttpResponse<byte[]> answer, int first) {
    int status = answer.statusCode();
    if (status >= 200 && status < 300) {
      return;
    }
    Map<?, ?> problem = problem(answer.body());
    String detail = problem.get("detail") instanceof String text ? text : "";
    if (status == 401 || status == 403) {
      throw new AccessDeniedException(detail);
    }
    if (problem.get("reason") instanceof String reason) {
      int index = problem.get("index") instanceof Integer place ? place : 0;
      throw new InvalidEventException(Reason.of(reason), detail, first + index);
    }
    throw new RequestRefusedException(status, detail);
  }

  /** Return the problem document of an answer (RFC 9457); empty where it is none. */
  private static Map<?, ?> problem(byte[] body) {
    try {
      return Json.read(body) instanceof Map<?, ?> problem ? problem : Map.of();
    } catch (IOException error) {
      return Map.of();
    }
  }

  /** Return what `Retry-After` says, a number or a date (RFC 9110 section 10.2.3); null where it is neither. */
  private static Duration retryAfter(String text) {
    if (text.matches("[0-9]{1,9}")) {
      return Duration.ofSeconds(Long.parseLong(text));
    }
    try {
      Instant at = Instant.from(DateTimeFormatter.RFC_1123_DATE_TIME.parse(text));
      Duration after = Duration.between(Instant.now(), at);
      return after.isNegative() ? Duration.ZERO : after;
    } catch (DateTimeException error) {
      return null;
    }
  }

  /** Options of the publisher, each with a default. */
  public static final class Builder {
    private final String url;
    private final Supplier<String> credential;
    private Encoding encoding = Encoding.STRUCTURED;
    private Duration timeout = Duration.ofSeconds(10);
    private Retries retries = Retries.DEFAULT;
    private HttpClient client;

    private Builder(String url, Supplier<String> credential) {
      this.url = url;
      this.credential = credential;
    }

    /** Set how a single event is sent; batches are always structured. */
    public Builder encoding(Encoding encoding) {
      this.encoding = encoding;
      return this;
    }

    /** Set how long a connection and an answer may take. */
    public Builder timeout(Duration timeout) {
      this.timeout = timeout;
      return this;
    }

    /** Set how often a request is made. */
    public Builder retries(Retries retries) {
      this.retries = retries;
      return this;
    }

    /** Set a client of your own, such as one with a proxy. */
    public Builder client(HttpClient client) {
      this.client = client;
      return this;
    }

    /** Return the publisher, which may be used in several threads. */
    public HttpPublisher build() {
      return new HttpPublisher(this);
    }
  }
}
