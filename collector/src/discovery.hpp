// What Prometheus shall scrape: its HTTP service discovery, from the workers that are known and the
// programs named by a flag. Pure.
#pragma once

#include <boost/json.hpp>
#include <string>
#include <vector>

#include "live_state.hpp"
#include "umbel/base/result.hpp"

namespace umbel::collector {

struct StaticTarget {
  std::string program;
  std::string address;  // host:port
};

// `scheduler=127.0.0.1:9201`. Errc::Invalid says what is wrong.
[[nodiscard]] Result<std::vector<StaticTarget>> static_targets(
    const std::vector<std::string>& words);

// A lost worker stays for ten minutes, so that `up == 0` can fire; one that said goodbye is gone.
[[nodiscard]] boost::json::array targets(const LiveState& state,
                                         const std::vector<StaticTarget>& others, WallTime now);

}  // namespace umbel::collector
