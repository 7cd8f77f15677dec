// `umbel forget NAME`: deletes what the broker keeps for a collector that was retired. A
// collector's queue outlives it, so that a restart loses nothing; nobody but an operator can know
// that it will not come back.
#pragma once

#include <iosfwd>
#include <string>

#include "umbel/broker/broker.hpp"

namespace umbel {

// The whole command; answers the exit status: 0 if it is gone, also if it was before. Refuses while
// somebody reads there.
[[nodiscard]] int run_forget(Broker& broker, const std::string& name, std::ostream& out,
                             std::ostream& err);

}  // namespace umbel
