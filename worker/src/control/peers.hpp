// One question to all other workers, and what they answer within a while.
#pragma once

#include <boost/json.hpp>
#include <chrono>
#include <functional>
#include <stop_token>
#include <string>

#include "umbel/broker/broker.hpp"

namespace umbel {

struct PeerQuestion {
  std::string node;  // who asks; its own answer is left out
  std::string method;
  boost::json::object arguments;
  std::chrono::milliseconds patience{};
};

// Calls `heard` for each answer that is no error, until the patience is over or it is told to stop.
[[nodiscard]] Result<void> ask_peers(
    Broker& broker, const PeerQuestion& question, const std::stop_token& stop,
    const std::function<void(const std::string& node, const boost::json::object& answer)>& heard);

}  // namespace umbel
