-- Marks an event as withdrawn; the first time is kept.
-- KEYS[1]  an event's ledger
-- ARGV     withdrawn at (ms), least time to keep the mark (s); with 0 only an event that is in the ledger keeps it
-- Returns  {1}
-- Atomic   mark and expiry are one step: EXPIRE with 0 deletes a key that holds nothing but the mark
-- Slot     the event's
redis.call('HSETNX', KEYS[1], '@x', ARGV[1])
if redis.call('TTL', KEYS[1]) < tonumber(ARGV[2]) then redis.call('EXPIRE', KEYS[1], ARGV[2]) end
return {1}
