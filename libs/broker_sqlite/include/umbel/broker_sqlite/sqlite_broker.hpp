// The embedded broker: queues and the event stream in one SQLite file that many processes share.
//
// A consumer is a row with a lease that a thread renews; what it holds goes back to its queue when
// it closes, or when the lease runs out because the process died or stood still. Waiting consumers
// are woken by a datagram on a Unix socket in the folder `<path>.wake`; a poll every 50 ms is the
// fallback.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "umbel/base/clock.hpp"
#include "umbel/base/log.hpp"
#include "umbel/broker/broker.hpp"

namespace umbel {

struct SqliteBrokerOptions {
  std::string path;
  bool full_sync = false;                             // survive power loss, not only kill -9
  std::chrono::milliseconds lease{6000};              // at least 20 ms; renewed every quarter of it
  std::size_t max_message_bytes = 256 * 1024 * 1024;  // headers and body; SQLite ends at 1 GB
  // Of the event stream, in bytes; the oldest batches are cut off beyond it.
  std::size_t max_event_bytes = 256 * 1024 * 1024;
};

// Opens or creates the file. `clock` outlives the broker and all that it made. What it made may
// outlive the broker. Errors as umbel::sqlite::open() has them.
[[nodiscard]] Result<std::unique_ptr<Broker>> open_sqlite_broker(SqliteBrokerOptions options,
                                                                 const Clock& clock, Log log);

}  // namespace umbel
