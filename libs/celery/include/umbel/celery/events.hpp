// Celery's event messages: one JSON object or a list of them (events/dispatcher.py). Pure.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "umbel/base/result.hpp"
#include "umbel/model/event.hpp"

namespace umbel::celery {

// Decodes `body` and appends its events to `out`; answers how many objects of it were no events (no
// type, no uuid, no hostname…) and were skipped. A body that is not JSON, or neither object nor
// list, is Errc::Invalid and appends nothing. Accepts NaN and Infinity.
[[nodiscard]] Result<std::size_t> decode_events(std::string_view body, std::vector<Event>& out);

// One list, as a worker publishes under `task.multi`. `utcoffset` is left out on purpose (receivers
// would shift the time by it).
[[nodiscard]] std::string encode_events(std::span<const Event> events);

// One object, as a worker publishes what it says of itself under `worker.heartbeat` and the like:
// Celery's gossip takes nothing else there.
[[nodiscard]] std::string encode_event(const Event& event);

}  // namespace umbel::celery
