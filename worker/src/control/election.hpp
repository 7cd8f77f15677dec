// A vote in the elections of Celery's gossip, so that they come to an end. Pure.
//
// A Celery worker that was told to elect sends its vote, acknowledges each vote that it hears, and
// takes the lowest clock among those heard when it has as many acknowledgements as it believes
// others alive. One that has heard its own alone fails at that. So we vote at once, and with a
// clock beyond everybody's: the winner has to run a Celery signature. Who takes part in elections
// does not set its clock by votes.
#pragma once

#include <boost/json.hpp>
#include <string>

#include "umbel/base/clock.hpp"

namespace umbel {

inline constexpr std::int64_t kLosingClock = std::int64_t{1} << 40;  // added to one's own

// The event `worker-elect`, under the routing key kElectionKey.
[[nodiscard]] boost::json::object losing_vote(const std::string& node, const std::string& election,
                                              const std::string& topic,
                                              const boost::json::value& action, WallTime now,
                                              std::int64_t clock);
inline constexpr const char* kElectionKey = "worker.elect";

}  // namespace umbel
