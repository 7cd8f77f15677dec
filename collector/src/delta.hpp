// What changed since it was last asked, as the sections of one change message. A plain object; the
// live stream owns one.
#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "live_state.hpp"
#include "sections.hpp"

namespace umbel::collector {

class Delta {
 public:
  explicit Delta(About about) : about_{std::move(about)} {}

  // Empty: nothing changed. Tasks and totals are compared at every call, the rest once a second.
  [[nodiscard]] boost::json::object next(LiveState& state, WallTime now);

  // The newest second that was given out.
  [[nodiscard]] std::int64_t last_second() const { return last_second_; }

 private:
  using Rows = std::map<std::string, std::string>;  // by key: the row's JSON as last given out

  void tasks(const LiveState& state, boost::json::object& change);
  void seconds(LiveState& state, WallTime now, boost::json::object& change);
  void once_a_second(LiveState& state, WallTime now, boost::json::object& change);
  void replace(const char* section, boost::json::value value, boost::json::object& change);

  About about_;
  std::uint64_t version_ = 0;
  std::int64_t last_second_ = 0;
  std::int64_t looked_at_ = 0;  // the second of the last full comparison
  Rows sections_, workers_, queues_, submissions_, schedule_;
};

}  // namespace umbel::collector
