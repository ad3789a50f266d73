"""What has to happen in one step at the desk, as Lua for Redis.

All keys of a tenant's desk carry one hash tag, so a script may touch several of them on a Redis Cluster too.
Times are Unix seconds with a fraction; durations are milliseconds.
"""

from __future__ import annotations

# KEYS operator, lease · ARGV lease value, lease life (ms) → 1: reserved; 0: not free
RESERVE = """
if redis.call('HGET', KEYS[1], 'presence') ~= 'available' then return 0 end
if redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2]) then return 1 end
return 0
"""

# The operator's own decision to take a call, whatever the presence says; a lease that is already this one is kept.
# KEYS lease · ARGV lease value, lease life (ms) → '': ours; else the value of who has it
TAKE = """
local held = redis.call('GET', KEYS[1])
if held and held ~= ARGV[1] then return held end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return ''
"""

# KEYS operator, lease · ARGV lease value, presence or '', why, now → 1: given back; 0: it was not ours any more
RELEASE = """
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[2])
if ARGV[2] ~= '' and redis.call('EXISTS', KEYS[1]) == 1 then
  local presence = redis.call('HGET', KEYS[1], 'presence')
  if presence ~= ARGV[2] then
    redis.call('HSET', KEYS[1], 'presence', ARGV[2], 'since', ARGV[4], 'why', ARGV[3])
  end
  redis.call('HSET', KEYS[1], 'idle_since', ARGV[4])
end
return 1
"""

# The notes are written: who is still at them takes calls again.
# KEYS operator · ARGV now → 1: available now; 0: has decided otherwise meanwhile, or has left
WRAPPED_UP = """
if redis.call('HGET', KEYS[1], 'presence') ~= 'wrap_up' then return 0 end
redis.call('HSET', KEYS[1], 'presence', 'available', 'since', ARGV[1], 'idle_since', ARGV[1], 'why', '')
return 1
"""

# KEYS lease · ARGV lease value, lease life (ms) → 1: renewed; 0: not ours any more
RENEW = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
"""

# Keeps `since` where the presence stays, and `idle_since` from the first sign-in on.
# KEYS operator, index · ARGV id, name, queues (JSON), presence, now, life (ms)
PRESENT = """
local before = redis.call('HGET', KEYS[1], 'presence')
redis.call('HSET', KEYS[1], 'id', ARGV[1], 'name', ARGV[2], 'queues', ARGV[3])
redis.call('HSETNX', KEYS[1], 'idle_since', ARGV[5])
if before ~= ARGV[4] then
  redis.call('HSET', KEYS[1], 'presence', ARGV[4], 'since', ARGV[5], 'why', '')
end
redis.call('PEXPIRE', KEYS[1], ARGV[6])
redis.call('SADD', KEYS[2], ARGV[1])
return before ~= ARGV[4] and 1 or 0
"""
