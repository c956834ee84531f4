-- sid, generation, node, closes; answers false if it is at a later generation, else what was there:
-- 'nothing', 'own', 'others', 'counted' or 'ended'
local sid, generation = ARGV[4], tonumber(ARGV[5])
local ended = redis.call('GET', ending(sid))
local old = redis.call('HMGET', session(sid), 'generation', 'node', 'detached', 'counted')
local last, node, before = old[1] or ended, old[2], ended and 'ended' or 'nothing'
if last and not reaches(generation, tonumber(last)) then return false end
redis.call('DEL', session(sid), messages(sid))
redis.call('SET', ending(sid), ARGV[5], 'PX', grace)
if not node then return before end
redis.call('SREM', held(node), sid)
if node == ARGV[6] then return 'own' end
local closes = ARGV[7] == '1' or last ~= ARGV[5]
local counted = closes and counts(old[3], old[4])
tell(node, 'e' .. sid .. (counted and '1' or '0') .. ARGV[5])
return counted and 'counted' or 'others'
