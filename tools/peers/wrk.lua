-- What wrk sends, and what it tells in the end: see wrk.ts. Its argument is a file of messages, each after a line with its length in bytes.

local ffi = require('ffi')
ffi.cdef('typedef struct { long s, us; } timeval; int gettimeofday(timeval *now, void *zone);')

local messages, at = {}, 0
local threads = {}

function setup(thread)
  threads[#threads + 1] = thread
end

function init(arguments)
  local file = assert(io.open(arguments[1], 'rb'))
  for length in file:lines() do
    messages[#messages + 1] = file:read(tonumber(length))
  end
  file:close()
  loadedAtS = os.clock()
end

function request()
  at = at % #messages + 1
  return messages[at]
end

function done(summary, latency)
  local now = ffi.new('timeval')
  ffi.C.gettimeofday(now, nil)
  local endMs = tonumber(now.s) * 1000 + tonumber(now.us) / 1000
  local cpuSeconds = os.clock() - threads[#threads]:get('loadedAtS')
  -- Each stands for a thousandth of the answers.
  local quantilesUs = {}
  for index = 1, 1000 do
    quantilesUs[index] = string.format('%d', latency:percentile(index / 10 - 0.05))
  end
  local errors = summary.errors
  print(string.format('\n{"answers":%d,"bytes":%d,"seconds":%f,"endMs":%f,"cpuSeconds":%f,"refused":%d,"broken":%d,"late":%d,"quantilesUs":[%s]}',
    summary.requests, summary.bytes, summary.duration / 1e6, endMs, cpuSeconds, errors.status, errors.connect + errors.read + errors.write,
    errors.timeout, table.concat(quantilesUs, ',')))
end
