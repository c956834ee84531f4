-- sid, then the record as names and values; answers 'later' or 'elsewhere' if it is not the
-- caller's, else what was there before: 'nothing', 'own', 'others', 'counted' or 'ended'
local sid = ARGV[4]
local new = {}
for i = 5, #ARGV, 2 do new[ARGV[i]] = ARGV[i + 1] end
local ended = redis.call('GET', ending(sid))
if ended and reaches(tonumber(ended), tonumber(new.generation)) then return 'elsewhere' end
local old = redis.call('HMGET', session(sid), 'generation', 'node', 'detached', 'counted')
local generation, node, before = old[1], old[2], ended and 'ended' or 'nothing'
if generation and generation ~= new.generation
    and reaches(tonumber(generation), tonumber(new.generation)) then
  return 'later'
end
if node then before = 'own' end
if node and node ~= new.node then
  local counted = counts(old[3], old[4])
  -- Only what its node is thought to have lost, and nobody counts yet, may be taken back.
  if generation == new.generation and (old[3] == '' or counted) then return 'elsewhere' end
  tell(node, 'c' .. sid .. (counted and '1' or '0') .. new.generation)
  before = counted and 'counted' or 'others'
end
redis.call('DEL', session(sid), messages(sid))
redis.call('HSET', session(sid), unpack(ARGV, 5))
hand(sid, node, new.node)
keep(sid)
return before
