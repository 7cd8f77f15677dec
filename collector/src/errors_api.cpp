#include "errors_api.hpp"

#include <algorithm>

#include "arguments.hpp"
#include "flower.hpp"

namespace umbel::collector {
namespace {

namespace json = boost::json;
using http::error_response;

constexpr std::size_t kMostShown = 500;
constexpr std::size_t kLatest = 50;
constexpr std::int64_t kNewFor = 3600;  // seconds
constexpr std::array<std::int64_t, 3> kMinutes{60, 1440, 10080};

Result<ErrorWindow> window_from(const http::Request& request) {
  const auto minutes = choice_argument(request, "minutes", kMinutes);
  if (!minutes) return minutes.error();
  return *std::ranges::find(kErrorWindows, *minutes, &ErrorWindow::minutes);
}

std::int64_t unix_now(const Clock& clock) {
  return std::chrono::floor<std::chrono::seconds>(clock.wall()).time_since_epoch().count();
}

}  // namespace

json::object error_group_row(const ErrorGroup& group, std::int64_t now) {
  json::array names;
  std::vector<std::pair<std::string, std::uint64_t>> counted{group.names.begin(),
                                                             group.names.end()};
  std::ranges::stable_sort(counted, std::ranges::greater{}, [](const auto& n) { return n.second; });
  for (const auto& [name, count] : counted)
    names.push_back(json::object{{"name", name}, {"count", count}});
  json::array workers;
  for (const auto& [worker, count] : group.workers) workers.emplace_back(worker);
  return {{"fingerprint", group.fingerprint},
          {"type", group.type},
          {"message", group.message},
          {"sample_message", group.sample_message},
          {"sample_task", group.sample_task.str()},
          {"count", group.count},
          {"first_seen", group.first_seen},
          {"last_seen", group.last_seen},
          {"names", std::move(names)},
          {"workers", std::move(workers)},
          {"spark", json::value_from(group.spark)},
          {"new", group.first_seen > now - kNewFor}};
}

http::Response list_errors(const DetailParts& parts, const http::Request& request) {
  const auto window = window_from(request);
  if (!window) return error_response(400, window.error().what);
  const std::int64_t now = unix_now(parts.search.clock);
  const auto [groups, folded] = parts.search.live.with([&](LiveState& state) {
    return std::pair{state.errors().groups(*window, now), state.errors().folded()};
  });
  json::array rows;
  for (const ErrorGroup& group : groups) {
    if (rows.size() < kMostShown) rows.push_back(error_group_row(group, now));
  }
  return http::json_response(flower::text(json::object{
      {"groups", std::move(rows)}, {"known", groups.size()}, {"folded", folded}, {"now", now}}));
}

http::Response one_error(const DetailParts& parts, const http::Request& request) {
  const auto window = window_from(request);
  if (!window) return error_response(400, window.error().what);
  const std::int64_t now = unix_now(parts.search.clock);
  const std::string& fingerprint = request.parameters.at("fingerprint");
  const auto group = parts.search.live.with(
      [&](LiveState& state) { return state.errors().find(fingerprint, *window, now); });
  if (!group) {
    return error_response(404, "no error has this fingerprint; /api/errors lists those there are");
  }
  json::object answer = error_group_row(*group, now);
  const auto sample = whole_task(parts.search, parts.store, group->sample_task);
  answer["traceback"] =
      sample && sample->traceback ? json::value(*sample->traceback) : json::value(nullptr);
  TaskQuery query;
  query.terms.push_back({.field = TaskField::Error, .texts = {fingerprint}});
  SearchOptions options;
  options.limit = kLatest;
  json::array latest;
  if (const auto page = search_page(parts.search, query, options)) {
    for (const Task& task : page->tasks) latest.push_back(found_row(task));
  }
  answer["latest"] = std::move(latest);
  answer["now"] = now;
  return http::json_response(flower::text(answer));
}

}  // namespace umbel::collector
