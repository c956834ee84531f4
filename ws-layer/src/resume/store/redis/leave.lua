-- node
redis.call('ZREM', nodes, ARGV[4])
redis.call('DEL', inbox(ARGV[4]))
return 1
