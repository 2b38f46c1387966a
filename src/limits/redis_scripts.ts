/**
 * What Redis or Valkey does in one turn: the arithmetic of `bucket.ts` and `backoff.ts` in Lua, and leases for places.
 *
 * The first argument of each script is the time in milliseconds, or nothing for the server's own, which is the same
 * for all who share it.
 *
 * @module
 */
import { LONGEST_DELAY_MS, MARKS } from "./backoff.ts";

/** A script and the name under which its text is kept. */
export type ScriptName = keyof typeof SCRIPTS;

const NOW = `
local now = tonumber(ARGV[1])
if now == nil then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local me, lease = ARGV[2], tonumber(ARGV[3])
local function whole(number) return string.format('%.0f', number) end
-- Places are kept by process, each with the end of its lease.
local function places(text)
  if not text then return 0, 0 end
  local count, expiry = string.match(text, '^(%d+) (%d+)$')
  return tonumber(count), tonumber(expiry)
end
local function keep(key, count)
  if count <= 0 then return redis.call('HDEL', key, me) end
  redis.call('HSET', key, me, whole(count) .. ' ' .. whole(now + lease))
  redis.call('PEXPIRE', key, lease)
end
local function mine(key)
  local count, expiry = places(redis.call('HGET', key, me))
  return expiry > now and count or 0
end
`;

/** KEYS: bans, holds, rates. ARGV: now, me, lease, how many of each, `most` of holds, `count perMs burst` of rates. */
const ADMIT = `${NOW}
local bans, holds, rates = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
for i = 1, bans do
  if tonumber(redis.call('HGET', KEYS[i], 'until') or '0') > now then return {'ban', i - 1} end
end
for i = 1, holds do
  local key, sum = KEYS[bans + i], 0
  local all = redis.call('HGETALL', key)
  for field = 1, #all, 2 do
    local count, expiry = places(all[field + 1])
    if expiry > now then sum = sum + count else redis.call('HDEL', key, all[field]) end
  end
  if sum >= tonumber(ARGV[6 + i]) then return {'hold', i - 1} end
end
local poured = {}
for i = 1, rates do
  local at = 6 + holds + 3 * (i - 1)
  local count, per, burst = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
  local state = redis.call('HMGET', KEYS[bans + holds + i], 'excess', 'at')
  local excess = 0
  if state[1] then
    excess = math.max(0, tonumber(state[1]) - math.max(0, now - tonumber(state[2])) * count / per + 1)
  end
  if excess > burst then return {'rate', i - 1} end
  poured[i] = {excess, math.ceil((excess + 1) * per / count)}
end
for i = 1, holds do
  local key = KEYS[bans + i]
  keep(key, mine(key) + 1)
end
for i = 1, rates do
  local key = KEYS[bans + holds + i]
  redis.call('HSET', key, 'excess', string.format('%.17g', poured[i][1]), 'at', whole(now))
  redis.call('PEXPIRE', key, whole(poured[i][2]))
end
return {'ok', 0}
`;

/** KEYS: holds. ARGV: now, me, lease. */
const RELEASE = `${NOW}
for _, key in ipairs(KEYS) do keep(key, mine(key) - 1) end
return 1
`;

/** KEYS: holds. ARGV: now, me, lease, then for each key how many places are taken, or \`-\` for as many as there are. */
const RENEW = `${NOW}
for i, key in ipairs(KEYS) do keep(key, tonumber(ARGV[3 + i]) or mine(key)) end
return 1
`;

/**
 * KEYS: for each watch its key and its exception. ARGV: now, -, -, \`allowed\` or \`failed\`, the mark, then for each
 * watch whether it has an exception, then delay, refuse, ban (-1 for never), forget, ban_time, ban_max.
 */
const LOGIN = `${NOW}
local mark = ARGV[5]
local function rule(i)
  local at = 5 + 7 * (i - 1)
  local r = {}
  for part = 1, 7 do r[part] = tonumber(ARGV[at + part]) end
  return {
    excepted = r[1] == 1 and redis.call('EXISTS', KEYS[2 * i]) == 1,
    delay = r[2], refuse = r[3], ban = r[4], forget = r[5], ban_time = r[6], ban_max = r[7],
  }
end
local function forgotten_at(f, r)
  local counted = f.since + f.count * r.forget
  return f.bans == 0 and counted or math.max(counted, f.till + r.ban_max)
end
local function load(key, r)
  local v = redis.call('HMGET', key, 'count', 'since', 'marks', 'until', 'bans')
  if not v[1] then return nil end
  local f = {
    count = tonumber(v[1]), since = tonumber(v[2]), marks = v[3], till = tonumber(v[4]), bans = tonumber(v[5]),
  }
  if forgotten_at(f, r) <= now then return nil end
  if now >= f.till + r.ban_max then f.bans = 0 end
  local steps = math.max(0, math.floor((now - f.since) / r.forget))
  if steps > 0 then
    f.count = math.max(0, f.count - steps)
    f.since = f.count == 0 and now or f.since + steps * r.forget
  end
  return f
end
local function fail(key, r)
  local f = load(key, r) or {count = 0, since = 0, marks = '', till = 0, bans = 0}
  local marks = {}
  for known in string.gmatch(f.marks, '[^\\n]+') do
    if known == mark then return -1 end
    table.insert(marks, known)
  end
  table.insert(marks, mark)
  if #marks > ${MARKS} then table.remove(marks, 1) end
  if f.count == 0 then f.since = now end
  f.count = f.count + 1
  local banned = -1
  if r.ban >= 0 and f.count >= r.ban then
    banned = math.min(r.ban_time * 2 ^ f.bans, r.ban_max)
    f.count = math.max(0, (r.refuse >= 0 and r.refuse or r.ban) - 1)
    f.since, f.till, f.bans = now + banned, now + banned, f.bans + 1
  end
  redis.call('HSET', key, 'count', whole(f.count), 'since', whole(f.since), 'marks', table.concat(marks, '\\n'),
    'until', whole(f.till), 'bans', whole(f.bans))
  redis.call('PEXPIRE', key, whole(math.max(1, forgotten_at(f, r) - now)))
  return banned
end
local watches = #KEYS / 2
if ARGV[4] == 'failed' then
  local begun = {}
  for i = 1, watches do
    local r = rule(i)
    local banned = r.excepted and -1 or fail(KEYS[2 * i - 1], r)
    if banned >= 0 then table.insert(begun, i - 1); table.insert(begun, whole(banned)) end
  end
  return begun
end
local delay, slowest = 0, 0
for i = 1, watches do
  local key, r = KEYS[2 * i - 1], rule(i)
  local f = not r.excepted and load(key, r)
  if f then
    if f.till > now then return {'banned', i - 1, '-1'} end
    if r.refuse >= 0 and f.count >= r.refuse then
      local banned = fail(key, r)
      return {banned < 0 and 'refused' or 'banned', i - 1, whole(banned)}
    end
    if r.delay >= 0 and f.count >= r.delay then
      local wait = math.min(1000 * 2 ^ (f.count - r.delay), ${LONGEST_DELAY_MS})
      if wait > delay then delay, slowest = wait, i - 1 end
    end
  end
end
return {'pass', slowest, whole(delay)}
`;

export const SCRIPTS = { admit: ADMIT, release: RELEASE, renew: RENEW, login: LOGIN } as const;
