/** Errors: an event that is refused, and an event that was not acknowledged. */

/** The reasons for which an event is refused: those of the service's dead letters (docs/events.md). */
export const REASONS = [
  "empty",
  "too_large",
  "invalid_utf8",
  "invalid_json",
  "schema_registry_framing",
  "duplicate_key",
  "not_a_number",
  "number_out_of_range",
  "lone_surrogate",
  "too_deep",
  "not_an_object",
  "unsupported_content_type",
  "unsupported_specversion",
  "missing_attribute",
  "invalid_attribute",
  "unknown_type",
  "invalid_data",
  "missing_audience",
  "invalid_withdrawal",
  "render_failed",
  "unreadable",
  "unprocessable",
] as const;

export type Reason = (typeof REASONS)[number];

/**
 * An event that cannot be accepted, as it is, however often it is sent.
 *
 * `detail` names the place. `index`: the event's place in the call of `publish`.
 */
export class InvalidEvent extends Error {
  override readonly name = "InvalidEvent";

  constructor(
    readonly reason: Reason,
    readonly detail = "",
    readonly index = 0,
  ) {
    super(detail ? `${reason}: ${detail}` : reason);
  }
}

/** Events that were not acknowledged. */
export class PublishError extends Error {
  override readonly name: string = "PublishError";
}

/** There was no acknowledgement in time: publish the same events again, which has no second effect. */
export class Unavailable extends PublishError {
  override readonly name = "Unavailable";
}

/** The credential is refused, or may not publish events. */
export class AccessDenied extends PublishError {
  override readonly name = "AccessDenied";
}

/** The API refuses the request for a reason that is not the event's: `status`, and `detail` of its answer. */
export class RequestRefused extends PublishError {
  override readonly name = "RequestRefused";

  constructor(
    readonly status: number,
    readonly detail: string,
  ) {
    super(`HTTP ${status}: ${detail}`);
  }
}
