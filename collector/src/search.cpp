#include "search.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <functional>
#include <set>

#include "flower.hpp"
#include "query.hpp"
#include "sections.hpp"
#include "umbel/base/text.hpp"
#include "umbel/model/fingerprint.hpp"

namespace umbel::collector {
namespace {

namespace json = boost::json;
using http::error_response;

constexpr std::size_t kShownAtOnce = 50;
constexpr std::size_t kMostAtOnce = 500;
// A history that others write, or that is out, has what changed longest ago all the same.
constexpr std::size_t kMostNewer = 5000;

json::value seconds(const std::optional<WallTime>& time) {
  return time ? json::value(to_unix_seconds(*time)) : json::value(nullptr);
}

std::vector<Task> newer_than_the_history(Live& live) {
  return live.with([](LiveState& state) {
    std::vector<Task> newer;
    const std::uint64_t kept = state.kept_version();
    state.each_task([&](const Task& task, std::uint64_t version) {
      if (version <= kept) return false;
      newer.push_back(task);
      return newer.size() < kMostNewer;
    });
    return newer;
  });
}

bool asks_for_unknown(const TaskQuery& query) {
  return std::ranges::any_of(query.terms, [](const QueryTerm& term) { return term.unknown; });
}

// The live state alone says of which tasks nobody knows; the history what else is known of them.
void add_unknown(const SearchParts& parts, std::vector<Task>& newer) {
  std::set<TaskId> there;
  for (const Task& task : newer) there.insert(task.uuid);
  const std::size_t before = newer.size();
  parts.live.with([&](LiveState& state) {
    state.tasks().each_unknown([&](const Task& task) {
      if (!there.contains(task.uuid)) newer.push_back(task);
      return newer.size() < before + kMostNewer;
    });
  });
  for (std::size_t i = before; i < newer.size(); ++i) {
    Task& task = newer[i];
    if (task.args) continue;
    auto kept = parts.history.find(task.uuid);
    if (!kept) continue;
    kept->unknown_since = task.unknown_since;
    task = std::move(*kept);
  }
}

// A cursor belongs to its search: `<hash of q and sort>.<place in the history>`.
std::string seal_of(const SearchRequest& asked) {
  std::uint64_t hash = 0xCBF2'9CE4'8422'2325U;
  for (const char c : asked.sort + '\n' + asked.text) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 0x0000'0100'0000'01B3U;
  }
  return fmt::format("{:016x}.", hash);
}

json::object answer(const SearchPage& page, const SearchRequest& asked, WallTime now) {
  json::array rows;
  for (const Task& task : page.tasks) rows.push_back(found_row(task));
  return {{"tasks", std::move(rows)},
          {"next", page.next ? json::value(seal_of(asked) + *page.next) : json::value(nullptr)},
          {"searched_back_to", seconds(page.searched_back_to)},
          {"complete", page.complete},
          {"now", to_unix_seconds(now)}};
}

}  // namespace

json::object found_row(const Task& task) {
  json::object row = task_row(task);
  row["sent"] = seconds(task.sent);
  const auto wait = wait_of(task);
  row["wait"] = wait ? json::value(*wait) : json::value(nullptr);
  row["eta"] = task.eta ? json::value(shortened(*task.eta, 100)) : json::value(nullptr);
  const auto error = error_fingerprint(task);
  row["error"] = error ? json::value(*error) : json::value(nullptr);
  return row;
}

std::variant<SearchRequest, http::Response> search_request(const http::Request& request,
                                                           WallTime now) {
  SearchRequest asked{.text = request.argument("q").value_or(""),
                      .sort = request.argument("sort").value_or(""),
                      .query = {}};
  if (asked.sort.empty()) asked.sort = "-received";
  const auto order = order_from(asked.sort);
  if (!order) {
    return error_response(
        400, "argument sort=" + shortened(asked.sort, 60) + ": allowed are " + orders_allowed());
  }
  const auto parsed = parse_query(asked.text, now);
  if (const auto* const wrong = std::get_if<QueryError>(&parsed)) {
    return http::json_response(
        flower::text(json::object{{"error", wrong->what}, {"at", wrong->at}}), 400);
  }
  asked.query = std::get<ParsedQuery>(parsed).query(*order);
  return asked;
}

Result<std::size_t> size_argument(const http::Request& request, std::string_view name,
                                  std::size_t otherwise, std::size_t most) {
  const auto text = request.argument(name);
  if (!text) return otherwise;
  std::size_t number = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
  const bool whole = error == std::errc{} && end == text->data() + text->size();
  if (whole && number >= 1 && number <= most) return number;
  return invalid("argument " + std::string{name} + "=" + shortened(*text, 60) +
                 ": allowed is a whole number from 1 to " + std::to_string(most));
}

Result<SearchPage> search_page(const SearchParts& parts, const TaskQuery& query,
                               const SearchOptions& options) {
  // First what is newer: what reaches the history in between is seen twice, and told once.
  std::vector<Task> newer = newer_than_the_history(parts.live);
  if (asks_for_unknown(query)) add_unknown(parts, newer);
  SearchOptions with_newer = options;
  with_newer.newer = newer;
  auto page = parts.history.search(query, with_newer);
  if (!page) return page;
  // No history keeps what is not known.
  parts.live.with([&](LiveState& state) {
    if (state.tasks().unknown() == 0) return;
    for (Task& task : page->tasks) {
      if (is_final(task.state)) continue;
      if (const Task* const known = state.find(task.uuid))
        task.unknown_since = known->unknown_since;
    }
  });
  return page;
}

http::Response search_tasks(const SearchParts& parts, const http::Request& request) {
  const WallTime now = parts.clock.wall();
  auto asked = search_request(request, now);
  if (auto* const wrong = std::get_if<http::Response>(&asked)) return std::move(*wrong);
  const auto& search = std::get<SearchRequest>(asked);
  const auto limit = size_argument(request, "limit", kShownAtOnce, kMostAtOnce);
  if (!limit) return error_response(400, limit.error().what);
  SearchOptions options;
  options.limit = *limit;
  if (const auto cursor = request.argument("cursor"); cursor && !cursor->empty()) {
    const auto seal = seal_of(search);
    if (!cursor->starts_with(seal)) {
      return error_response(400,
                            "the cursor does not belong to this q and sort: pass on what their own "
                            "answer gave as `next`");
    }
    options.from = cursor->substr(seal.size());
  }
  const auto page = search_page(parts, search.query, options);
  if (!page)
    return error_response(page.error().code == Errc::Invalid ? 400 : 503, page.error().what);
  return http::json_response(flower::text(answer(*page, search, now)));
}

}  // namespace umbel::collector
