package io.tocsin.client;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;

/** The data of an event. The classes of types have a record with a field for each documented one. */
@FunctionalInterface
public interface EventData {
  /** Return the data by the names on the wire; what is not set is absent. */
  Map<String, Object> fields();

  /** A builder that also takes fields that the type does not document. */
  abstract class Builder<B extends Builder<B>> {
    private final Map<String, Object> other = new LinkedHashMap<>();

    /** Set a field by its name on the wire. Documented fields have methods of their own. */
    @SuppressWarnings("unchecked")
    public final B put(String name, Object value) {
      other.put(name, value);
      return (B) this;
    }

    /** Return the fields that were set by {@link #put}. */
    protected final Map<String, Object> other() {
      return Collections.unmodifiableMap(new LinkedHashMap<>(other));
    }
  }

  /** Return fields by their names: others, and pairs of name and value without those whose value is null. */
  static Map<String, Object> fields(Map<String, Object> other, Object... pairs) {
    Map<String, Object> fields = new LinkedHashMap<>(other);
    for (int index = 0; index < pairs.length; index += 2) {
      if (pairs[index + 1] != null) {
        fields.put((String) pairs[index], pairs[index + 1]);
      }
    }
    return fields;
  }
}
