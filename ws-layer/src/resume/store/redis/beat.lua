-- node, lease
local node, now = ARGV[4], time()
local lapsed = lives(node) and 0 or 1
redis.call('ZADD', nodes, now + tonumber(ARGV[5]), node)
redis.call('ZREMRANGEBYSCORE', nodes, '-inf', now - life)
for _, key in ipairs({nodes, owners, held(node)}) do redis.call('PEXPIRE', key, life) end
local notes = redis.call('LRANGE', inbox(node), 0, -1)
redis.call('DEL', inbox(node))
return {lapsed, notes}
