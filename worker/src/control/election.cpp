#include "election.hpp"

#include <unistd.h>

namespace umbel {

boost::json::object losing_vote(const std::string& node, const std::string& election,
                                const std::string& topic, const boost::json::value& action,
                                WallTime now, std::int64_t clock) {
  return {{"hostname", node},
          {"pid", getpid()},
          {"clock", clock + kLosingClock},
          {"timestamp", to_unix_seconds(now)},
          {"id", election},
          {"topic", topic},
          {"action", action},
          {"cver", 1},
          {"type", "worker-elect"}};
}

}  // namespace umbel
