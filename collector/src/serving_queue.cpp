#include "serving_queue.hpp"

#include <algorithm>
#include <boost/json.hpp>

namespace umbel::collector {
namespace {

namespace json = boost::json;

constexpr std::string_view kCelerysQueue = "celery";

// `registered` lists names, each with the task's attributes behind it if they were asked for:
// `add [rate_limit=10/m]`.
bool has_registered(const Inspection& inspection, std::string_view task) {
  const auto* const said = inspection.answers.if_contains("registered");
  if (said == nullptr || !said->is_array()) return false;
  return std::ranges::any_of(said->get_array(), [&](const json::value& each) {
    if (!each.is_string()) return false;
    const std::string_view name{each.get_string()};
    return name.substr(0, name.find(" [")) == task;
  });
}

std::vector<std::string> queues_of(const Inspection& inspection) {
  std::vector<std::string> queues;
  const auto* const said = inspection.answers.if_contains("active_queues");
  if (said == nullptr || !said->is_array()) return queues;
  for (const auto& each : said->get_array()) {
    if (!each.is_object()) continue;
    const auto* const name = each.get_object().if_contains("name");
    if (name != nullptr && name->is_string()) queues.emplace_back(name->get_string());
  }
  return queues;
}

}  // namespace

std::optional<QueueName> serving_queue(std::string_view task,
                                       const std::map<std::string, Inspection>& inspections) {
  std::map<std::string, std::size_t> takers;
  bool default_is_taken_from = false;
  for (const auto& [worker, inspection] : inspections) {
    const bool has_it = has_registered(inspection, task);
    for (const auto& queue : queues_of(inspection)) {
      default_is_taken_from = default_is_taken_from || queue == kCelerysQueue;
      if (has_it) ++takers[queue];
    }
  }
  const auto most =
      std::ranges::max_element(takers, {}, [](const auto& each) { return each.second; });
  if (most != takers.end()) return QueueName{most->first};
  if (default_is_taken_from) return QueueName{std::string{kCelerysQueue}};
  return std::nullopt;
}

}  // namespace umbel::collector
