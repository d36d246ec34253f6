package io.tocsin.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import io.cloudevents.core.message.Encoding;
import io.tocsin.client.types.Winner;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** The publisher over HTTP: requests, batches, attempts, and the error of each answer. */
class HttpPublisherTest {
  private static final int ACCEPTED = 202;
  private static final int NO_ANSWER = 0;
  private static final Retries AT_ONCE =
      new Retries(3, Duration.ofMillis(1), Duration.ofMillis(1), Duration.ofSeconds(60));

  /** A request that was received. */
  private record Received(String path, Map<String, String> headers, String body) {}

  /** An answer, with a problem document and `Retry-After` where they are not empty. */
  private record Answer(int status, String problem, String retryAfter) {}

  private static final Deque<Answer> ANSWERS = new ArrayDeque<>();
  private static final List<Received> RECEIVED = Collections.synchronizedList(new ArrayList<>());
  private static final ExecutorService THREADS = Executors.newCachedThreadPool();
  private static HttpServer server;

  @BeforeAll
  static void start() throws IOException {
    server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    server.createContext("/", HttpPublisherTest::answer);
    server.setExecutor(THREADS);
    server.start();
  }

  @AfterAll
  static void stop() {
    server.stop(0);
    THREADS.shutdownNow();
  }

  @BeforeEach
  void empty() {
    ANSWERS.clear();
    RECEIVED.clear();
  }

  private static void answer(HttpExchange exchange) throws IOException {
    Map<String, String> headers = new TreeMap<>(String.CASE_INSENSITIVE_ORDER);
    exchange.getRequestHeaders().forEach((name, values) -> headers.put(name, values.get(0)));
    String body = new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8);
    RECEIVED.add(new Received(exchange.getRequestURI().getPath(), headers, body));
    Answer answer = ANSWERS.size() > 1 ? ANSWERS.poll() : ANSWERS.peek();
    if (answer.status() == NO_ANSWER) {
      exchange.close();
      return;
    }
    byte[] problem = answer.problem().getBytes(StandardCharsets.UTF_8);
    if (!answer.retryAfter().isEmpty()) {
      exchange.getResponseHeaders().set("Retry-After", answer.retryAfter());
    }
    exchange.sendResponseHeaders(answer.status(), problem.length == 0 ? -1 : problem.length);
    exchange.getResponseBody().write(problem);
    exchange.close();
  }

  /** Let the server answer in turn, with the last from then on. */
  private static void answers(Integer... statuses) {
    ANSWERS.clear();
    Stream.of(statuses).forEach(status -> ANSWERS.add(new Answer(status, "", "")));
  }

  private static HttpPublisher.Builder publisher() {
    return HttpPublisher.builder("http://127.0.0.1:" + server.getAddress().getPort() + "/", "key").retries(AT_ONCE);
  }

  private static Winner winner(int number, String text) {
    return Winner.builder()
        .id("" + number)
        .source("/s")
        .recipients("alice")
        .subject("größte, \"7\" 100 %")
        .data(Winner.Data.builder().lotId("7").put("text", text).build())
        .build();
  }

  private static List<Winner> winners(int count, String text) {
    return IntStream.range(0, count).mapToObj(number -> winner(number, text)).toList();
  }

  private static List<Integer> sizes() {
    return RECEIVED.stream()
        .map(
            request -> {
              try {
                return ((List<?>) Json.read(request.body())).size();
              } catch (IOException error) {
                throw new IllegalStateException(error);
              }
            })
        .toList();
  }

  @Test
  void oneEventIsOneRequest() throws IOException {
    answers(ACCEPTED);
    publisher().build().publish(winner(1, "x"));

    Received request = RECEIVED.get(0);
    assertEquals("/v1/events", request.path());
    assertEquals("application/cloudevents+json", request.headers().get("content-type"));
    assertEquals("Bearer key", request.headers().get("authorization"));
    assertEquals(Map.of("lot_id", "7", "text", "x"), ((Map<?, ?>) Json.read(request.body())).get("data"));
  }

  @Test
  void inBinaryModeAttributesAreHeaders() {
    answers(ACCEPTED);
    publisher().encoding(Encoding.BINARY).build().publish(winner(1, "x"));

    Received request = RECEIVED.get(0);
    assertEquals("winner", request.headers().get("ce-type"));
    assertEquals("application/json", request.headers().get("content-type"));
    assertTrue(request.body().contains("\"lot_id\":\"7\""));
  }

  @Test
  void severalEventsAreBatches() {
    answers(ACCEPTED);
    publisher().build().publish();
    assertEquals(List.of(), RECEIVED);
    publisher().build().publish(winners(501, "x"));
    assertEquals("application/cloudevents-batch+json", RECEIVED.get(0).headers().get("content-type"));
    // A single event is a batch too, where there were several.
    assertEquals(List.of(500, 1), sizes());
    RECEIVED.clear();
    publisher().build().publish(winners(6, "x".repeat(200_000)));
    assertEquals(List.of(4, 2), sizes());
  }

  @Test
  void whatIsTemporaryIsRepeatedWithTheSameId() {
    for (int temporary : List.of(503, 500, 429, 408, NO_ANSWER)) {
      RECEIVED.clear();
      answers(temporary, temporary, ACCEPTED);
      publisher().build().publish(winner(1, "x"));
      assertEquals(3, RECEIVED.size());
      assertEquals(1, RECEIVED.stream().map(Received::body).distinct().count());
      answers(temporary);
      UnavailableException error =
          assertThrows(UnavailableException.class, () -> publisher().build().publish(winner(1, "x")));
      assertTrue(error.getMessage().contains("attempts: 3"), error.getMessage());
    }
    HttpPublisher nobody = HttpPublisher.builder("http://127.0.0.1:1", "key").retries(AT_ONCE).build();
    assertThrows(UnavailableException.class, () -> nobody.publish(winner(1, "x")));
  }

  @Test
  void retryAfterIsKeptTo() {
    Retries slow = new Retries(2, Duration.ofMinutes(1), Duration.ofMinutes(1), Duration.ofMinutes(1));
    String past = DateTimeFormatter.RFC_1123_DATE_TIME.format(ZonedDateTime.now(ZoneOffset.UTC).minusSeconds(5));
    for (String after : List.of("0", past)) {
      ANSWERS.clear();
      ANSWERS.add(new Answer(429, "", after));
      ANSWERS.add(new Answer(ACCEPTED, "", ""));
      publisher().retries(slow).build().publish(winner(1, "x"));
    }
    assertEquals(4, RECEIVED.size());
    ANSWERS.add(new Answer(429, "", "3600"));
    ANSWERS.poll();
    UnavailableException error =
        assertThrows(UnavailableException.class, () -> publisher().build().publish(winner(1, "x")));
    assertEquals("no acknowledgement; attempts: 1; the last: HTTP 429", error.getMessage());
  }

  @Test
  void whatNoRepeatCanHelpIsNotRepeated() {
    Map<Integer, Class<? extends PublishException>> errors =
        Map.of(
            401, AccessDeniedException.class,
            403, AccessDeniedException.class,
            400, RequestRefusedException.class,
            404, RequestRefusedException.class,
            302, RequestRefusedException.class);
    errors.forEach(
        (status, error) -> {
          RECEIVED.clear();
          ANSWERS.clear();
          ANSWERS.add(new Answer(status, "{\"detail\": \"why\"}", ""));
          PublishException refused = assertThrows(error, () -> publisher().build().publish(winner(1, "x")));
          assertTrue(refused.getMessage().endsWith("why"));
          assertEquals(1, RECEIVED.size());
        });
  }

  @Test
  void aRefusedEventHasItsReasonAndPlace() {
    ANSWERS.add(new Answer(ACCEPTED, "", ""));
    ANSWERS.add(new Answer(422, "{\"reason\": \"unknown_type\", \"index\": 1, \"detail\": \"new\"}", ""));
    InvalidEventException refused =
        assertThrows(InvalidEventException.class, () -> publisher().build().publish(winners(502, "x")));
    assertEquals(
        List.of(Reason.UNKNOWN_TYPE, 501, "new"), List.of(refused.reason(), refused.index(), refused.detail()));
    ANSWERS.clear();
    ANSWERS.add(new Answer(422, "{\"reason\": \"of a later version\"}", ""));
    refused = assertThrows(InvalidEventException.class, () -> publisher().build().publish(winner(1, "x")));
    assertEquals(Reason.UNPROCESSABLE, refused.reason());
  }

  @Test
  void nothingIsSentIfOneEventIsInvalid() {
    List<Winner> events = new ArrayList<>(winners(600, "x"));
    events.add(winner(1, "\ud83d"));
    InvalidEventException refused =
        assertThrows(InvalidEventException.class, () -> publisher().build().publish(events));
    assertEquals(List.of(Reason.LONE_SURROGATE, 600), List.of(refused.reason(), refused.index()));
    assertEquals(List.of(), RECEIVED);
  }

  @Test
  void aCredentialMayBeASupplier() {
    Deque<String> tokens = new ArrayDeque<>(List.of("first", "second"));
    answers(503, ACCEPTED);
    String url = "http://127.0.0.1:" + server.getAddress().getPort();
    HttpPublisher.builder(url, tokens::poll).retries(AT_ONCE).build().publish(winner(1, "x"));
    assertEquals(
        List.of("Bearer first", "Bearer second"),
        RECEIVED.stream().map(request -> request.headers().get("authorization")).toList());
  }

  @Test
  void anInterruptEndsTheAttempts() {
    answers(503);
    Thread.currentThread().interrupt();
    assertThrows(UnavailableException.class, () -> publisher().build().publish(winner(1, "x")));
    assertTrue(Thread.interrupted());
  }
}
