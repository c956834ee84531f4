-- sid, generation, node, now, force
local sid, node, now = ARGV[4], ARGV[6], tonumber(ARGV[7])
local old, flat = read(sid)
if not old then return {'unknown'} end
if old.detached ~= '' and now > tonumber(old.detached) + tonumber(old.window) then
  return {'expired'}
end
local behind = (tonumber(old.generation) - tonumber(ARGV[5])) % 4294967296
if behind > 2147483647 then return {'unknown'} end
-- Welcomes of earlier claims may never have arrived.
if behind > (tonumber(old.generation) - tonumber(old.good)) % 4294967296 then
  return {'replayed', flat}
end
local elsewhere = old.node ~= node
if old.detached == '' and elsewhere and ARGV[8] == '0' and lives(old.node) then
  tell(old.node, 'r' .. sid)
  return {'open', old.node}
end
local kept = redis.call('LRANGE', messages(sid), 0, -1)
local generation = string.format('%.0f', (tonumber(old.generation) + 1) % 4294967296)
redis.call('HSET', session(sid), 'generation', generation, 'good', ARGV[5], 'node', node,
  'complete', '0', 'detached', '', 'cause', '', 'counted', '0', 'heard', ARGV[7])
hand(sid, old.node, node)
if elsewhere then
  local yours = old.detached ~= '' and old.counted or '0'
  tell(old.node, 'c' .. sid .. yours .. generation)
end
keep(sid)
return {'taken', generation, flat, kept}
