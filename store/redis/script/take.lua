-- Gives a pass, all of it or nothing; captchagate/fleet/memory_passes.go is its twin in
-- Go, and says more. Times are sixteenths of a microsecond of this server since 2020.
-- KEYS: fleet, clock, claims, bars, buckets
-- ARGV: gen, id, life of claims in ms, claims, bars; for, begun, renewed, again; clock's life in ms; then
-- interval and burst of each bucket
local function num(i) return tonumber(ARGV[i]) end
local function text(n) return string.format('%.0f', n) end
local STALE, CLAIMED, BARRED, OVER, GIVEN = 0, 1, 2, 3, 4
local claims, bars = num(4), num(5)
local function own(by) return string.match(by, '^[^.]*') == string.match(ARGV[2], '^[^.]*') end

local board = redis.call('HMGET', KEYS[1], 'gen', 'run', 'born')
if board[1] ~= ARGV[1] or board[2] ~= string.match(redis.call('INFO', 'server'), 'run_id:(%w+)') then
	return {STALE, 0, -1, 0}
end
local clock = redis.call('TIME')
local now = ((tonumber(clock[1]) - 1577836800) * 1000000 + tonumber(clock[2])) * 16
local born = (tonumber(board[3]) - 1577836800000) * 16000

for i = 1, claims do
	local by = redis.call('GET', KEYS[2 + i])
	if by and by ~= ARGV[2] and (not own(by) or by > ARGV[2]) then return {CLAIMED, i - 1, -1, now} end
end
for i = 1, bars do
	if redis.call('EXISTS', KEYS[2 + claims + i]) == 1 then return {BARRED, i - 1, -1, now} end
end

-- clock
local limit, begun, renewed, outcome = num(6), 0, 0, GIVEN
if limit > 0 then
	local was = redis.call('GET', KEYS[2])
	if was then
		local b, r = string.match(was, '^(%d+):(%d+)$')
		begun, renewed = tonumber(b), tonumber(r)
	end
	if num(8) >= 0 and now - num(8) > renewed + math.floor(limit / 2) then renewed = now - num(8) end
	if begun < renewed then begun = 0 end
	local told = now - num(7)
	if num(7) >= 0 and told >= renewed and (begun == 0 or told < begun) then begun = told end
	if ARGV[9] == '1' and begun > 0 and now >= begun + 2 * limit then begun = 0 end
	if begun > 0 and now >= begun + limit then outcome = OVER end
end

local reply, fulls, first = {outcome, 0, -1, now}, {}, 2 + claims + bars
for i = 1, #KEYS - first do
	local interval, burst = num(9 + 2 * i), num(10 + 2 * i)
	local full = tonumber(redis.call('GET', KEYS[first + i]) or born + burst)
	reply[4 + i] = math.max(full - now, 0)
	fulls[i] = math.max(full, now) + interval
	if fulls[i] - now > burst then outcome = OVER end
end

if outcome == GIVEN then
	for i, full in ipairs(fulls) do
		reply[4 + i] = full - now
		redis.call('SET', KEYS[first + i], text(full), 'PX', math.ceil((full - now) / 16000))
	end
	for i = 1, claims do redis.call('SET', KEYS[2 + i], ARGV[2], 'PX', ARGV[3]) end
	if begun == 0 then begun = now end
	if limit > 0 then redis.call('SET', KEYS[2], text(begun) .. ':' .. text(renewed), 'PX', ARGV[10]) end
end
reply[1] = outcome
if limit > 0 and begun > 0 then reply[3] = now - begun end
return reply
