-- What every script begins with. Numbers of messages and generations are 32-bit and wrap.
-- Times of leases are by the clock of this server; windows are by the clocks of the nodes.
local prefix, life, grace = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local nodes, owners = prefix .. 'nodes', prefix .. 'owners'

local function session(sid) return prefix .. 's:' .. sid end
local function messages(sid) return prefix .. 'r:' .. sid end
local function held(node) return prefix .. 'n:' .. node end
local function ending(sid) return prefix .. 'e:' .. sid end
local function inbox(node) return prefix .. 'i:' .. node end

local function time()
  local now = redis.call('TIME')
  return now[1] * 1000 + math.floor(now[2] / 1000)
end

-- Whether the number a is at or after b.
local function reaches(a, b)
  return (a - b) % 4294967296 <= 2147483647
end

local function read(sid)
  local flat = redis.call('HGETALL', session(sid))
  if #flat == 0 then return nil end
  local record = {}
  for i = 1, #flat, 2 do record[flat[i]] = flat[i + 1] end
  return record, flat
end

-- Whether the holder of a session counts that it lost its connection.
local function counts(detached, counted)
  return detached ~= '' and counted == '1'
end

local function lives(node)
  local lease = redis.call('ZSCORE', nodes, node)
  return lease and tonumber(lease) >= time()
end

-- Only to a node that is known; what it does not fetch is bounded, and goes with its inbox.
local function tell(node, note)
  if redis.call('ZSCORE', nodes, node) then
    redis.call('RPUSH', inbox(node), note)
    redis.call('LTRIM', inbox(node), -65536, -1)
    redis.call('PEXPIRE', inbox(node), grace)
  end
end

local function hand(sid, from, to)
  if from and from ~= to then redis.call('SREM', held(from), sid) end
  redis.call('SADD', held(to), sid)
  redis.call('SADD', owners, to)
  redis.call('PEXPIRE', held(to), life)
  redis.call('PEXPIRE', owners, life)
end

-- A session that waits for its client stays for its window, and long enough to be counted.
local function keep(sid)
  local fields = redis.call('HMGET', session(sid), 'detached', 'window')
  local ttl = life
  if fields[1] ~= '' then ttl = math.min(life, tonumber(fields[2]) + grace) end
  redis.call('PEXPIRE', session(sid), ttl)
  redis.call('PEXPIRE', messages(sid), ttl)
end
