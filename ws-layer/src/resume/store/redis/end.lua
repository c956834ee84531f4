-- sid, generation, node, counted
local sid = ARGV[4]
local old = redis.call('HMGET', session(sid), 'generation', 'node')
if old[1] ~= ARGV[5] then return 0 end
redis.call('DEL', session(sid), messages(sid))
redis.call('SREM', held(old[2]), sid)
redis.call('SET', ending(sid), ARGV[5], 'PX', grace)
if old[2] ~= ARGV[6] then
  local yours = ARGV[7] == '1' and '0' or '1'
  tell(old[2], 'e' .. sid .. yours .. ARGV[5])
end
return 1
