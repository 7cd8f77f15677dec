#include "fetches.hpp"

#include <algorithm>
#include <cctype>
#include <optional>
#include <string_view>

#include "python_text.hpp"

namespace umbel::collector {
namespace {

namespace json = boost::json;

constexpr std::size_t kLookedAt = 5'000;
constexpr int kStaleInARow = 200;  // then the rest is older too; single events come late

// The one argument of both tasks: a permalink with /r/<subreddit>/, or the subreddit itself.
std::optional<std::string> subreddit_of(const Task& task) {
  std::optional<json::value> argument;
  if (task.args) {
    const auto args = from_python_text(*task.args);
    if (args && args->is_array() && !args->get_array().empty()) argument = args->get_array()[0];
  }
  if (!argument && task.kwargs) {
    const auto kwargs = from_python_text(*task.kwargs);
    if (kwargs && kwargs->is_object() && kwargs->get_object().size() == 1)
      argument = kwargs->get_object().begin()->value();
  }
  if (!argument || !argument->is_string()) return std::nullopt;
  const std::string_view text{argument->get_string()};
  if (task.name == kDiscoverTask) return lower_case(text);
  constexpr std::string_view kMark = "/r/";
  const auto mark = text.find(kMark);
  if (mark == std::string_view::npos) return std::nullopt;
  const auto name = text.substr(mark + kMark.size());
  const auto end = name.find('/');
  if (end == std::string_view::npos || end == 0) return std::nullopt;
  return lower_case(name.substr(0, end));
}

void add_phases(const Task& task, Fetches& fetches) {
  if (!task.result) return;
  const auto result = from_python_text(*task.result);
  if (!result || !result->is_object()) return;
  const auto* const seconds = result->get_object().if_contains("seconds");
  if (seconds == nullptr || !seconds->is_object()) return;
  for (const auto& [phase, value] : seconds->get_object()) {
    if (!value.is_number()) continue;
    auto known = std::ranges::find(fetches.phases, std::string_view{phase},
                                   [](const auto& each) { return std::string_view{each.first}; });
    if (known == fetches.phases.end())
      known = fetches.phases.insert(known, {std::string{phase}, {}});
    known->second.push_back(value.to_number<double>());
  }
}

}  // namespace

std::string lower_case(std::string_view text) {
  std::string lower{text};
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return lower;
}

EndedFetches ended_fetches(const LiveState& state, WallTime from) {
  EndedFetches ended;
  std::size_t looked_at = 0;
  int stale = 0;
  state.each_task([&](const Task& task, std::uint64_t) {
    stale = task.timestamp < from ? stale + 1 : 0;
    if (stale == kStaleInARow) return false;
    if (++looked_at > kLookedAt) {
      ended.whole = false;
      return false;
    }
    const auto at = task.state == TaskState::Failure   ? task.failed
                    : task.state == TaskState::Success ? task.succeeded
                                                       : std::nullopt;
    const bool ours = task.name == kFetchTask || task.name == kDiscoverTask;
    if (ours && at && *at >= from) ended.tasks.push_back(task);
    return true;
  });
  return ended;
}

Fetches fetches_of(const EndedFetches& ended) {
  Fetches fetches;
  fetches.whole = ended.whole;
  for (const Task& task : ended.tasks) {
    if (task.state == TaskState::Success) {
      if (task.name == kFetchTask) add_phases(task, fetches);
    } else if (const auto subreddit = subreddit_of(task)) {
      ++fetches.failed[*subreddit];
    }
  }
  return fetches;
}

}  // namespace umbel::collector
