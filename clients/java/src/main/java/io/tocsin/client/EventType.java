package io.tocsin.client;

import java.util.List;
import java.util.Map;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * What is declared of a notification type: enough to validate its events.
 *
 * @param name its name
 * @param needs the attributes that name its audience: {@code recipients}, {@code external_id}, {@code account}
 * @param recipientFields fields of the data that name recipients in place of the attribute
 * @param fields the documented fields of the data
 * @param supersede the template of its supersede key; null where it has none
 */
public record EventType(
    String name,
    List<String> needs,
    List<String> recipientFields,
    List<DataField> fields,
    String supersede) {
  private static final Pattern PART = Pattern.compile("\\{\\{|}}|\\{([^{}]*)}");

  /** Return the supersede key of an event with this data; null where the type has none. */
  String supersedeKey(Map<String, ?> data) {
    return supersede == null
        ? null
        : PART.matcher(supersede).replaceAll(part -> Matcher.quoteReplacement(filled(part, data)));
  }

  /** Return the fields of the data that the supersede key is made of. */
  List<String> supersedeFields() {
    String template = supersede == null ? "" : supersede;
    return PART.matcher(template).results().map(part -> part.group(1)).filter(name -> name != null).toList();
  }

  private static String filled(MatchResult part, Map<String, ?> data) {
    if (part.group(1) == null) {
      return part.group().substring(1);
    }
    if (!data.containsKey(part.group(1))) {
      return "";
    }
    // As the service, which is in Python, writes them.
    Object value = data.get(part.group(1));
    if (value == null) {
      return "None";
    }
    return value instanceof Boolean flag ? (flag ? "True" : "False") : value.toString();
  }
}
