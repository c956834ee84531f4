-- sid, then the record as names and values; 0: a later generation is there, 2: it is elsewhere,
-- 1: it is the caller's, 3: and was another node's
local sid = ARGV[4]
local new = {}
for i = 5, #ARGV, 2 do new[ARGV[i]] = ARGV[i + 1] end
local ended = redis.call('GET', ending(sid))
if ended and reaches(tonumber(ended), tonumber(new.generation)) then return 2 end
local old = redis.call('HMGET', session(sid), 'generation', 'node', 'detached', 'counted')
local generation, node, answer = old[1], old[2], 1
if generation and generation ~= new.generation
    and reaches(tonumber(generation), tonumber(new.generation)) then
  return 0
end
if node and node ~= new.node then
  local same = generation == new.generation
  -- Only what its node is thought to have lost, and nobody counts yet, may be taken back.
  if same and (old[3] == '' or old[4] == '1') then return 2 end
  tell(node, 'c' .. sid .. (same and '0' or '1') .. new.generation)
  answer = 3
end
redis.call('DEL', session(sid), messages(sid))
redis.call('HSET', session(sid), unpack(ARGV, 5))
hand(sid, node, new.node)
keep(sid)
return answer
