package io.tocsin.client;

/**
 * A documented field of the data.
 *
 * @param name its name on the wire
 * @param type {@code string}, {@code integer}, {@code number}, {@code boolean}, {@code datetime}, {@code object} or
 *     {@code list}
 * @param required whether every event has it
 */
public record DataField(String name, String type, boolean required) {}
