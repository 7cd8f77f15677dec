// The channel of remote control: requests to all nodes at once, replies to one asker.
//
// Nothing here is kept for anybody who is not there: an inbox holds what was broadcast since it was
// opened, a reply box what was sent to its address, both at most kControlBound messages (the oldest
// go first), and what a process that vanished left behind is swept away within a minute. What is
// returned is gone: nothing is acknowledged. What the messages say is libs/celery's.
#pragma once

#include <chrono>
#include <cstddef>
#include <stop_token>
#include <string>
#include <vector>

#include "umbel/base/result.hpp"
#include "umbel/model/message.hpp"

namespace umbel {

inline constexpr std::size_t kControlBound = 1000;  // messages in one inbox or reply box

// Where a reply goes, in AMQP's words as they stand in a request; each engine gives its own and
// understands no other's.
struct ReplyAddress {
  std::string exchange;
  std::string routing_key;

  friend bool operator==(const ReplyAddress&, const ReplyAddress&) = default;
};

// What a node is asked. Closed when destroyed. Thread-safe, though one thread reads.
class ControlInbox {
 public:
  virtual ~ControlInbox() = default;

  // Waits up to `limit` for requests, oldest first, at most `max`; empty when the limit passed or
  // stop was requested. After Unavailable the next call tries again; what was broadcast meanwhile
  // may be lost.
  [[nodiscard]] virtual Result<std::vector<Message>> next(std::size_t max,
                                                          std::chrono::milliseconds limit,
                                                          std::stop_token stop) = 0;
};

// Where one asker reads replies. Closed when destroyed. Thread-safe.
class ReplyBox {
 public:
  virtual ~ReplyBox() = default;

  // The same as long as the box is open. Usable from any process with the same broker.
  [[nodiscard]] virtual ReplyAddress address() const = 0;

  // As ControlInbox::next.
  [[nodiscard]] virtual Result<std::vector<Message>> next(std::size_t max,
                                                          std::chrono::milliseconds limit,
                                                          std::stop_token stop) = 0;
};

}  // namespace umbel
