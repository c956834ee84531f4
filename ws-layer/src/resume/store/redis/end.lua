-- sid, generation
local sid = ARGV[4]
local old = redis.call('HMGET', session(sid), 'generation', 'node')
if old[1] ~= ARGV[5] then return 0 end
redis.call('DEL', session(sid), messages(sid))
redis.call('SREM', held(old[2]), sid)
return 1
