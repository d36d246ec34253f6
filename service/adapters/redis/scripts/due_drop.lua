-- Forgets deliveries, whoever has leased them.
-- KEYS parts of the due set; ARGV for each: n, and n delivery ids; reply 1 for each
local a, out = 1, {}
for _, due in ipairs(KEYS) do
  local n = tonumber(ARGV[a])
  a = a + 1
  for _ = 1, n do
    forget(due, ARGV[a])
    a = a + 1
    out[#out + 1] = 1
  end
end
return out
