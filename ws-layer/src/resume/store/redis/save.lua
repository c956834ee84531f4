-- sid, node, generation, confirmed, heard, sent, acked, base, mark, complete, detached, cause,
-- counted, then the messages
local sid = ARGV[4]
local old = redis.call('HMGET', session(sid), 'node', 'generation')
if old[1] ~= ARGV[5] or old[2] ~= ARGV[6] then return 0 end
redis.call('HSET', session(sid), 'heard', ARGV[8], 'sent', ARGV[9], 'acked', ARGV[10],
  'complete', ARGV[13], 'detached', ARGV[14], 'cause', ARGV[15],
  'counted', ARGV[16])
if ARGV[7] == '1' then redis.call('HSET', session(sid), 'good', ARGV[6]) end
if ARGV[12] ~= '' then redis.call('HSET', session(sid), 'mark', ARGV[12]) end

local function number(message)
  local a, b, c, d = string.byte(message, 1, 4)
  return ((a * 256 + b) * 256 + c) * 256 + d
end
local list = messages(sid)
local last = redis.call('LINDEX', list, -1)
last = last and number(last)
for i = 17, #ARGV do
  if not last or not reaches(last, number(ARGV[i])) then redis.call('RPUSH', list, ARGV[i]) end
end
local acked, base = tonumber(ARGV[10]), tonumber(ARGV[11])
local first = redis.call('LINDEX', list, 0)
while first and (reaches(acked, number(first)) or reaches(base, number(first))) do
  redis.call('LPOP', list)
  first = redis.call('LINDEX', list, 0)
end
keep(sid)
return 1
