-- sid, then the record as names and values
local sid = ARGV[4]
local new = {}
for i = 5, #ARGV, 2 do new[ARGV[i]] = ARGV[i + 1] end
local old = redis.call('HMGET', session(sid), 'generation', 'node')
if old[1] and old[1] ~= new.generation and reaches(tonumber(old[1]), tonumber(new.generation)) then
  return 0
end
redis.call('DEL', session(sid), messages(sid))
redis.call('HSET', session(sid), unpack(ARGV, 5))
hand(sid, old[2], new.node)
if old[2] and old[2] ~= new.node then tell(old[2], 'c' .. sid .. new.generation) end
keep(sid)
return 1
