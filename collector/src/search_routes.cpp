#include "search_routes.hpp"

#include <array>
#include <boost/json.hpp>
#include <charconv>

#include "complete.hpp"
#include "errors_api.hpp"
#include "export.hpp"
#include "flower.hpp"
#include "query.hpp"
#include "search.hpp"
#include "sections.hpp"
#include "task_detail.hpp"
#include "umbel/base/text.hpp"

namespace umbel::collector {
namespace {

namespace json = boost::json;

constexpr std::size_t kMostCounted = 1000;  // of each kind

// What there is to complete to, with the counts that are at hand.
Vocabulary vocabulary(LiveState& state, std::int64_t now) {
  Vocabulary known;
  constexpr std::array kCounted{
      std::pair{"failed", TaskState::Failure},  std::pair{"succeeded", TaskState::Success},
      std::pair{"started", TaskState::Started}, std::pair{"received", TaskState::Received},
      std::pair{"pending", TaskState::Pending}, std::pair{"retrying", TaskState::Retry},
      std::pair{"revoked", TaskState::Revoked}, std::pair{"rejected", TaskState::Rejected}};
  for (const QueryKey& word : query_states()) {
    CompletionOption option{.text = std::string{word.name}, .about = std::string{word.about}};
    for (const auto& [name, of] : kCounted) {
      if (word.name == name) option.count = state.in_state(of);
    }
    if (word.name == "unknown") option.count = state.tasks().unknown();
    known.states.push_back(std::move(option));
  }
  for (const auto& entry : state.names().all()) {
    if (known.names.size() == kMostCounted) break;
    known.names.push_back({.text = entry.name(), .count = entry.finished()});
  }
  for (const auto& [name, worker] : state.workers())
    known.workers.push_back(
        {.text = name,
         .about = to_text(worker.state.status(from_unix_seconds(static_cast<double>(now))))});
  for (const auto& [name, queue] : state.queues())
    known.queues.push_back({.text = name, .count = queue.figures.ready, .about = "ready"});
  for (const auto& group : state.errors().groups(kErrorWindows[1], now)) {
    if (known.errors.size() == kMostCounted) break;
    known.errors.push_back({.text = group.fingerprint,
                            .count = group.count,
                            .about = group.type + ": " + group.message});
  }
  return known;
}

http::Response complete_search(const ApiParts& parts, const http::Request& request) {
  const std::string q = request.argument("q").value_or("");
  if (q.size() > kLongestQuery) {
    return http::error_response(
        400, "argument q is longer than " + std::to_string(kLongestQuery) + " bytes");
  }
  std::size_t at = q.size();
  if (const auto text = request.argument("at")) {
    const auto [end, fault] = std::from_chars(text->data(), text->data() + text->size(), at);
    if (fault != std::errc{} || end != text->data() + text->size() || at > q.size()) {
      return http::error_response(400, "argument at=" + shortened(*text, 60) +
                                           ": allowed is a byte offset from 0 to q's length, " +
                                           std::to_string(q.size()));
    }
  }
  const auto now = std::chrono::floor<std::chrono::seconds>(parts.clock.wall());
  const Completion made = complete(q, at, parts.live.with([&](LiveState& state) {
    return vocabulary(state, now.time_since_epoch().count());
  }));
  json::array options;
  for (const auto& option : made.options) {
    options.push_back(json::object{
        {"text", option.text},
        {"count", option.count ? json::value(*option.count) : json::value(nullptr)},
        {"about", option.about.empty() ? json::value(nullptr) : json::value(option.about)}});
  }
  return http::json_response(flower::text(
      json::object{{"from", made.from}, {"to", made.to}, {"options", std::move(options)}}));
}

}  // namespace

void add_search_routes(http::Router& router, const ApiParts& parts) {
  const auto add = [&](const char* path, auto look) {
    router.add("GET", path, [parts, look](const http::Request& request) {
      if (auto no = refuse_if_closed(parts.closed)) return *no;
      return look(SearchParts{parts.live, parts.history, parts.clock}, parts, request);
    });
  };
  add("/api/search", [](const SearchParts& search, const ApiParts&, const http::Request& request) {
    return search_tasks(search, request);
  });
  add("/api/complete", [](const SearchParts&, const ApiParts& all, const http::Request& request) {
    return complete_search(all, request);
  });
  add("/api/export", [](const SearchParts& search, const ApiParts&, const http::Request& request) {
    return export_tasks(search, request);
  });
  add("/api/errors",
      [](const SearchParts& search, const ApiParts& all, const http::Request& request) {
        return list_errors({search, all.store}, request);
      });
  add("/api/error/<fingerprint>",
      [](const SearchParts& search, const ApiParts& all, const http::Request& request) {
        return one_error({search, all.store}, request);
      });
  add("/api/task/detail/<id>",
      [](const SearchParts& search, const ApiParts& all, const http::Request& request) {
        return task_detail({search, all.store}, request);
      });
}

}  // namespace umbel::collector
