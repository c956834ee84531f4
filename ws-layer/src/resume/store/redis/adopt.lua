-- node, max
local node, left = ARGV[4], tonumber(ARGV[5])
local adopted = {}
for _, holder in ipairs(redis.call('SMEMBERS', owners)) do
  if left > 0 and holder ~= node and not lives(holder) then
    local orphans = redis.call('SPOP', held(holder), left)
    for _, sid in ipairs(orphans) do
      local old = read(sid)
      if old and old.node == holder then
        local attached = old.detached == ''
        redis.call('HSET', session(sid), 'node', node)
        if attached then
          redis.call('HSET', session(sid), 'detached', old.heard, 'cause', 'network', 'counted', '0')
        end
        hand(sid, nil, node)
        keep(sid)
        local _, flat = read(sid)
        adopted[#adopted + 1] = {sid, attached and 1 or 0, flat}
        left = left - 1
      end
    end
    if redis.call('EXISTS', held(holder)) == 0 then
      redis.call('SREM', owners, holder)
      redis.call('ZREM', nodes, holder)
      redis.call('DEL', inbox(holder))
    end
  end
end
return adopted
