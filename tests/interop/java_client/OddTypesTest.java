package odd;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** Types that were generated from a catalogue with names and texts of any kind. */
class OddTypesTest {
  @Test
  void fieldsOfAnyNameCanBeSet() {
    Odd.Data data =
        Odd.Data.builder()
            .class_("x")
            .hashCode_(5)
            .aB("first")
            .put("aB", "second")
            .put("two words", List.of())
            .build();
    assertEquals(
        Map.of("class", "x", "hash_code", 5L, "a_b", "first", "aB", "second", "two words", List.of()), data.fields());
    Odd.builder().source("/odd").recipients("alice").data(data).build().toCloudEvent();
    assertEquals("string", StringEvent.TYPE.name());
    assertEquals("data", DataEvent.TYPE.name());
  }
}
