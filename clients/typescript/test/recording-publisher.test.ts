/** The test double validates as the publishers do. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { InvalidEvent, RecordingPublisher, Unavailable, type Publisher } from "@tocsin/client";
import { Overbid, Winner } from "@tocsin/client/types";

const won = new Winner({ source: "/s", recipients: ["bob"], data: { lot_id: "7" } });

test("it records by type, in the order of the calls", async () => {
  const recording = new RecordingPublisher();
  const publisher: Publisher = recording;
  const overbid = (lot_id: string) => new Overbid({ source: "/s", recipients: ["alice"], data: { lot_id } });
  const [first, second] = [overbid("7"), overbid("8")];

  await publisher.publish(first, won);
  await publisher.publish(second);

  const overbids: Overbid[] = recording.published(Overbid);
  assert.deepEqual(overbids, [first, second]);
  assert.deepEqual(recording.published(Winner), [won]);
  assert.deepEqual(recording.events, [first, won, second]);
});

test("it refuses and fails as the others, and records nothing then", async () => {
  const recording = new RecordingPublisher();
  await assert.rejects(recording.publish(won, new Winner({ ...won, source: "" })), InvalidEvent);
  recording.failWith(new Unavailable("not now"));
  await assert.rejects(recording.publish(won), Unavailable);
  assert.deepEqual(recording.events, []);
  await recording.publish(won);
  assert.deepEqual(recording.events, [won]);
});
