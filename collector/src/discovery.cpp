#include "discovery.hpp"

#include <charconv>

namespace umbel::collector {
namespace {

namespace json = boost::json;

constexpr auto kKeepLost = std::chrono::minutes{10};

bool has_port(const std::string& address) {
  const auto colon = address.rfind(':');
  if (colon == std::string::npos || colon == 0) return false;
  unsigned port = 0;
  const char* const begin = address.data() + colon + 1;
  const char* const end = address.data() + address.size();
  const auto [stop, error] = std::from_chars(begin, end, port);
  return error == std::errc{} && stop == end && port >= 1 && port <= 65535;
}

}  // namespace

Result<std::vector<StaticTarget>> static_targets(const std::vector<std::string>& words) {
  std::vector<StaticTarget> found;
  for (const std::string& word : words) {
    const auto equals = word.find('=');
    if (equals == std::string::npos || equals == 0 || !has_port(word.substr(equals + 1))) {
      return invalid("static target `" + word +
                     "`: allowed is program=host:port, such as scheduler=127.0.0.1:9201");
    }
    found.push_back({word.substr(0, equals), word.substr(equals + 1)});
  }
  return found;
}

json::array targets(const LiveState& state, const std::vector<StaticTarget>& others, WallTime now) {
  json::array list;
  for (const StaticTarget& each : others) {
    list.push_back(json::object{{"targets", json::array{each.address}},
                                {"labels", json::object{{"program", each.program}}}});
  }
  for (const auto& [name, worker] : state.workers()) {
    const WorkerState& known = worker.state;
    if (known.metrics_address.empty() || !known.last_seen) continue;
    const WorkerStatus status = known.status(now);
    if (status == WorkerStatus::Left) continue;
    if (status == WorkerStatus::Lost && now - *known.last_seen > kKeepLost) continue;
    list.push_back(json::object{{"targets", json::array{known.metrics_address}},
                                {"labels", json::object{{"program", "worker"}, {"worker", name}}}});
  }
  return list;
}

}  // namespace umbel::collector
