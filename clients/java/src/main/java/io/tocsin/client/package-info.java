/**
 * Publish events to Tocsin: typed, validated before they are sent, over Kafka or HTTP. The shipped types are in {@code
 * io.tocsin.client.types}.
 */
package io.tocsin.client;
