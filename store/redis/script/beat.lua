-- One exchange of an instance with its fleet; captchagate/fleet/beat.go is its twin
-- in Go, and says more. Times are milliseconds of this server.
-- KEYS: fleet, seen, voting, ill, about, the news by kind
local function num(i) return tonumber(ARGV[i]) end
local id, about, flags, epoch = ARGV[1], ARGV[2], ARGV[3], num(4)
local ended, ended_token, finding = ARGV[5] ~= '', num(5), ARGV[6]
local known_epoch, known_state, known_since, known_outage, known_gen = num(7), ARGV[8], num(9), num(10), num(11)
local version, vid, vbody = num(12), ARGV[13], ARGV[14]
local void_version, void_id = num(#ARGV - 1), ARGV[#ARGV]
local window, lease, handover, candidacy = num(15), num(16), num(17), num(18)
local spacing, initial, most, successes, kept = num(19), num(20), num(21), num(22), num(23)
local function flag(i) return string.sub(flags, i, i) == '1' end
local votes, ill, closed, wants, leaves = flag(1), flag(2), flag(3), flag(4), flag(5)
local CLOSED, HALF_OPEN, OPEN, RECOVERING = '0', '1', '2', '3'
local function text(n) return string.format('%.0f', n) end

local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')

local names = {'run', 'gen', 'born', 'epoch', 'state', 'since', 'outage', 'answered', 'spared', 'k', 'n',
	'token', 'holder', 'granted', 'until', 'next', 'last', 'succeeded', 'candidate', 'candidacy',
	'version', 'vid', 'vbody', 'newest'}
local was, b = redis.call('HMGET', KEYS[1], unpack(names)), {}
for i, name in ipairs(names) do b[name] = was[i] or '' end
for _, name in ipairs({'gen', 'born', 'epoch', 'since', 'outage', 'answered', 'k', 'n', 'token', 'granted',
	'until', 'next', 'candidacy', 'version', 'newest'}) do
	b[name] = tonumber(b[name]) or 0
end
if b.state == '' then b.state = CLOSED end

-- notice
if b.run ~= run or b.gen == 0 then
	b.run = run
	b.gen = math.max(b.gen + 1, known_gen + 1, now)
	b.born = now
	b.holder, b.candidate, b['until'] = '', '', 0
	b.next = math.max(math.min(b.next, now + most), now + lease)
	redis.call('DEL', KEYS[2], KEYS[3], KEYS[4], KEYS[5])
end

-- learn
if known_epoch > b.epoch then
	b.epoch, b.state = known_epoch, known_state
	if b.state == HALF_OPEN then b.state = OPEN end
	b.since, b.outage = now - known_since, now - known_outage
	b.answered, b.spared = 0, ''
	redis.call('DEL', KEYS[4])
end
local plausible = now + 60000
b.version = math.floor(b.version)
if not (b.version >= 0 and b.version <= plausible) -- nan is neither
	or b.version == void_version and b.vid == void_id then
	b.version, b.vid, b.vbody = 0, '', ''
end
if vbody ~= '' and version <= plausible and (version > b.version or version == b.version and vid > b.vid) then
	b.version, b.vid, b.vbody = version, vid, vbody
end

-- count
local gone = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now - kept)
if #gone > 0 then
	redis.call('ZREM', KEYS[2], unpack(gone))
	redis.call('HDEL', KEYS[5], unpack(gone))
end
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now - window)
redis.call('ZREMRANGEBYSCORE', KEYS[4], '-inf', now - window)
local function note(key, yes)
	if yes then redis.call('ZADD', key, now, id) else redis.call('ZREM', key, id) end
end
note(KEYS[2], not leaves)
note(KEYS[3], votes and not leaves)
note(KEYS[4], ill and epoch == b.epoch and not leaves)
if leaves then redis.call('HDEL', KEYS[5], id) else redis.call('HSET', KEYS[5], id, about) end

-- ended
local function interval(at) return math.min(math.max(math.floor((at - b.outage) / 30), initial), most) end
if ended and ended_token == 0 then
	if b.candidate == id then
		b.candidate = ''
		b.next = math.max(b.next, now + interval(now))
	end
elseif ended and b.holder == id and b.token == ended_token then
	b.holder, b['until'], b.last = '', 0, id
	b.succeeded = finding == '1' and '1' or ''
	if b.state ~= OPEN then
		-- it opens or recovers no more
	elseif finding == '1' then
		b.answered = b.answered + 1
		b.next = now + spacing
		if b.answered >= successes then
			b.epoch, b.state, b.since, b.answered, b.spared = b.epoch + 1, RECOVERING, now, 0, ''
			redis.call('DEL', KEYS[4])
		end
	elseif finding == '2' and b.answered > 1 and b.spared == '' then
		b.spared, b.answered = '1', b.answered - 1
		b.next = now + spacing
	else
		if finding == '2' then b.answered, b.spared = 0, '' end
		b.next = math.max(now, b.granted + interval(b.granted))
	end
end

-- decide
local k, n = redis.call('ZCARD', KEYS[4]), redis.call('ZCARD', KEYS[3])
if b.state ~= OPEN and k >= 2 and 2 * k >= n and now - b.born >= window then
	if b.state == CLOSED then b.outage = now end
	b.epoch, b.state, b.since, b.answered, b.spared = b.epoch + 1, OPEN, now, 0, ''
	b.k, b.n = k, n
	b.next = now + initial
	b.holder, b.candidate, b.last, b.succeeded = '', '', '', ''
elseif b.state == RECOVERING and closed and epoch == b.epoch then
	b.state = CLOSED
end

-- lease
local granted, due, wait = 0, 0, -1
if b.state == OPEN and not leaves then
	local free = b.next
	if b.holder ~= '' then free = math.max(free, b['until']) end
	if b.last ~= '' and (b.last == id) ~= (b.succeeded == '1') then free = free + handover end
	wait = free
	if b.candidate ~= '' and b.candidate ~= id then wait = math.max(wait, b.candidacy) end
	if wants and free <= now then
		b.token = b.token + 1
		b.holder, b.granted, b['until'] = id, now, now + lease
		b.candidate, granted, wait = '', b.token, b['until']
	elseif not wants and wait <= now then
		b.candidate, b.candidacy, due = id, now + candidacy, 1
		wait = b.candidacy
	end
	wait = math.max(wait - now, 0)
end

-- tell
local reply = {now, b.gen, redis.call('ZCOUNT', KEYS[2], '(' .. text(now - window), '+inf'), n, k,
	b.epoch, tonumber(b.state), math.max(now - b.since, 0), 0, b.answered, b.k, b.n, granted, due, wait,
	b.version, b.vid, ''}
if b.state ~= CLOSED then reply[9] = math.max(now - b.outage, 0) end
if b.state == OPEN and b.answered > 0 then reply[7] = tonumber(HALF_OPEN) end
if b.version > version or b.version == version and b.vid > vid then reply[18] = b.vbody end

local at = 24
for kind = 6, #KEYS do
	local cursor, life, cap, limit, count = ARGV[at], num(at + 1), num(at + 2), num(at + 3), num(at + 4)
	for i = at + 5, at + 4 + count do
		if not redis.call('ZSCORE', KEYS[kind], ARGV[i]) then
			b.newest = math.max(b.newest + 1, now * 1000)
			redis.call('ZADD', KEYS[kind], text(b.newest), ARGV[i])
		end
	end
	if count > 0 then
		redis.call('ZREMRANGEBYRANK', KEYS[kind], 0, -1 - cap)
		redis.call('ZREMRANGEBYSCORE', KEYS[kind], '-inf', text((now - life) * 1000))
		redis.call('PEXPIRE', KEYS[kind], life)
	end
	local news = redis.call('ZRANGEBYSCORE', KEYS[kind], '(' .. cursor, '+inf', 'WITHSCORES', 'LIMIT', 0, limit)
	reply[#reply + 1] = news
	at = at + 5 + count
end

local changed = {}
for i, name in ipairs(names) do
	local is = b[name]
	if type(is) == 'number' then is = text(is) end
	if is ~= (was[i] or '') then
		changed[#changed + 1] = name
		changed[#changed + 1] = is
	end
end
if #changed > 0 then redis.call('HSET', KEYS[1], unpack(changed)) end
if now % 60 == 0 or b.born == now then -- now and then: each lives for an hour
	for i = 1, 5 do redis.call('PEXPIRE', KEYS[i], 3600000) end
end
return reply
