#include "schedule_api.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>
#include <cmath>
#include <memory>
#include <set>

#include "actions.hpp"
#include "flower.hpp"
#include "umbel/base/text.hpp"
#include "umbel/celery/json.hpp"
#include "umbel/model/cron_words.hpp"
#include "umbel/store/schedule_error.hpp"

namespace umbel::collector {
namespace {

namespace json = boost::json;
using http::error_response;
using http::json_response;
using http::Request;
using http::Response;

constexpr std::size_t kMostEntries = 1000;
constexpr std::size_t kRuns = 5;
constexpr std::size_t kTicksForLag = 500;
constexpr std::size_t kMostTicks = 1000;
constexpr std::size_t kLongestReason = 500;

Response failed(const Error& error, int when_invalid = 400) {
  switch (error.code) {
    case Errc::NotFound:
      return error_response(404, error.what);
    case Errc::Invalid:
      return error_response(when_invalid, error.what);
    case Errc::Conflict:
      return error_response(409, error.what);
    default:
      return error_response(503, error.what);
  }
}

json::value text_or_null(const std::string& text) {
  return text.empty() ? json::value(nullptr) : json::value(text);
}

json::value value_of(const std::string& text) {
  const auto parsed = celery::parse_json(text);
  return parsed ? *parsed : json::value(text);
}

double lag_of(const TickRecord& tick) {
  return std::max(0.0, std::chrono::duration<double>(tick.recorded - tick.due).count());
}

json::value lag_p99(const std::vector<TickFate>& fates) {
  std::vector<double> lags;
  for (const auto& fate : fates) {
    if (fate.tick.outcome == TickOutcome::Enqueued) lags.push_back(lag_of(fate.tick));
  }
  if (lags.empty()) return nullptr;
  std::ranges::sort(lags);
  const auto rank = std::ceil(0.99 * static_cast<double>(lags.size()));
  return lags[static_cast<std::size_t>(rank) - 1];
}

const char* outcome_text(TickOutcome outcome) {
  return outcome == TickOutcome::Enqueued ? "enqueued" : "missed";
}

json::value cell(const std::optional<TickCounts>& counts) {
  if (!counts) return nullptr;
  return json::object{{"succeeded", counts->succeeded}, {"failed", counts->failed},
                      {"running", counts->running},     {"waiting", counts->waiting},
                      {"missed", counts->missed},       {"unknown", counts->unknown}};
}

// What the page shows of one entry, but for its strip.
struct Shown {
  const ScheduleCard& card;
  const SchedulePause* pause = nullptr;
  const ScheduleTicks* ticks = nullptr;
  const std::vector<TickFate>& fates;
};

json::array next_runs(const Schedule& schedule, WallTime now) {
  json::array runs;
  std::optional<WallTime> at = now;
  while (runs.size() < kRuns && (at = next_after(schedule, *at))) {
    runs.push_back(to_unix_seconds(*at));
  }
  return runs;
}

// Of the task that a tick enqueued; null: there is none, or the store has forgotten it.
json::value state_of(const TickFate& fate) {
  if (!fate.state) return nullptr;
  if (!is_final(*fate.state) && fate.started) return "STARTED";
  return json::value(to_text(*fate.state));
}

json::object entry_of(const Shown& shown, WallTime now) {
  const auto& card = shown.card;
  const auto schedule = schedule_from(card.expression, card.zone);
  json::object entry{{"name", card.name},
                     {"task", card.task},
                     {"args", value_of(card.args)},
                     {"kwargs", value_of(card.kwargs)},
                     {"queue", text_or_null(card.queue)},
                     {"expression", card.expression},
                     {"words", schedule ? json::value(words(*schedule)) : json::value(nullptr)},
                     {"zone", text_or_null(card.zone)},
                     {"definition", card.definition},
                     {"description", text_or_null(card.description)},
                     {"enabled", card.enabled}};
  const bool fires = schedule && card.enabled && shown.pause == nullptr;
  entry["next"] = fires ? next_runs(*schedule, now) : json::array{};
  entry["paused"] = shown.pause == nullptr
                        ? json::value(nullptr)
                        : json::object{{"since", to_unix_seconds(shown.pause->since)},
                                       {"reason", text_or_null(shown.pause->reason)}};
  const auto* const ticks = shown.ticks;
  entry["last_due"] =
      ticks == nullptr ? json::value(nullptr) : json::value(to_unix_seconds(ticks->newest.due));
  entry["last_task"] =
      ticks == nullptr ? json::value(nullptr) : text_or_null(ticks->last_task.str());
  entry["last_outcome"] =
      ticks == nullptr ? json::value(nullptr) : json::value(outcome_text(ticks->newest.outcome));
  const bool told =
      ticks != nullptr && !shown.fates.empty() && shown.fates.front().tick.due == ticks->newest.due;
  entry["last_state"] = told ? state_of(shown.fates.front()) : json::value(nullptr);
  entry["missed"] = ticks == nullptr ? 0 : ticks->missed;
  entry["lag_p99"] = lag_p99(shown.fates);
  return entry;
}

// Everything that entries are made of, read once.
class Book {
 public:
  static Result<Book> read(const ApiParts& parts) {
    Book book;
    auto page = parts.store.schedules().read(parts.clock.wall());
    if (!page) return page.error();
    auto ticks = parts.store.ticks().newest_of_each();
    if (!ticks) return ticks.error();
    book.page_ = std::move(*page);
    for (auto& each : *ticks) {
      auto name = each.newest.schedule;
      book.ticks_.emplace(std::move(name), std::move(each));
    }
    return book;
  }

  [[nodiscard]] const ScheduleBookPage& page() const { return page_; }
  [[nodiscard]] const ScheduleCard* find(const std::string& name) const {
    const auto found = std::ranges::find(page_.entries, name, &ScheduleCard::name);
    return found == page_.entries.end() ? nullptr : &*found;
  }
  [[nodiscard]] Result<json::object> entry(const ApiParts& parts, TickStrips& strips,
                                           const ScheduleCard& card, WallTime now,
                                           Steady::time_point until) const {
    const auto fates = parts.store.ticks().fates(card.name, kTicksForLag);
    if (!fates) return fates.error();
    const auto counts = strips.of(card.name, now, until);
    if (!counts) return counts.error();
    const auto pause = std::ranges::find(page_.pauses, card.name, &SchedulePause::name);
    const auto ticks = ticks_.find(card.name);
    auto object = entry_of({.card = card,
                            .pause = pause == page_.pauses.end() ? nullptr : &*pause,
                            .ticks = ticks == ticks_.end() ? nullptr : &ticks->second,
                            .fates = *fates},
                           now);
    json::array cells;
    for (const auto& each : *counts) cells.push_back(cell(each));
    object["strip"] = json::object{{"from", to_unix_seconds(TickStrips::from(now))},
                                   {"step", TickStrips::kStep.count()},
                                   {"cells", std::move(cells)}};
    return object;
  }

 private:
  ScheduleBookPage page_;
  std::map<std::string, ScheduleTicks> ticks_;
};

json::value file_error(const ApiParts& parts, WallTime now) {
  const auto told = parts.store.shared().get(kScheduleErrorKey, now);
  const auto error = told && *told ? schedule_error_from(**told) : std::nullopt;
  if (!error) return nullptr;
  return json::object{{"since", to_unix_seconds(error->since)},
                      {"in_force_since", to_unix_seconds(error->in_force_since)},
                      {"what", error->what}};
}

Response list(const ApiParts& parts, TickStrips& strips) {
  const auto book = Book::read(parts);
  if (!book) return failed(book.error());
  const auto now = parts.clock.wall();
  const auto until = parts.clock.steady() + TickStrips::kPatience;
  const auto& page = book->page();
  json::array entries;
  std::vector<std::string> names;
  for (const auto& card : page.entries) {
    if (entries.size() == kMostEntries) break;
    auto entry = book->entry(parts, strips, card, now, until);
    if (!entry) return failed(entry.error());
    entries.push_back(std::move(*entry));
    names.push_back(card.name);
  }
  strips.keep(names);
  const auto folded = page.entries.size() - entries.size();
  return json_response(flower::text(json::object{
      {"entries", std::move(entries)},
      {"folded", folded},
      {"error", file_error(parts, now)},
      {"scheduler",
       json::object{{"last_seen", page.last_seen ? json::value(to_unix_seconds(*page.last_seen))
                                                 : json::value(nullptr)}}},
      {"now", to_unix_seconds(now)}}));
}

Response no_such(const std::string& name) {
  return error_response(404, "no schedule that is in force is named `" + shortened(name, 80) + "`");
}

Result<std::size_t> limit_of(const Request& request) {
  const auto text = request.argument("limit");
  if (!text) return std::size_t{100};
  std::size_t value = 0;
  const auto* const end = text->data() + text->size();
  const auto [rest, wrong] = std::from_chars(text->data(), end, value);
  if (wrong != std::errc{} || rest != end || value < 1 || value > kMostTicks) {
    return invalid(
        fmt::format("limit: `{}` is no number between 1 and {}", shortened(*text, 40), kMostTicks));
  }
  return value;
}

Response ticks(const ApiParts& parts, const Request& request) {
  const auto limit = limit_of(request);
  if (!limit) return failed(limit.error());
  const auto& name = request.parameters.at("name");
  const auto fates = parts.store.ticks().fates(name, *limit);
  if (!fates) return failed(fates.error());
  if (fates->empty()) {  // of an entry that is gone its ticks are still told
    const auto page = parts.store.schedules().read(parts.clock.wall());
    if (!page) return failed(page.error());
    if (std::ranges::find(page->entries, name, &ScheduleCard::name) == page->entries.end()) {
      return no_such(name);
    }
  }
  json::array rows;
  for (const auto& fate : *fates) {
    const bool enqueued = fate.tick.outcome == TickOutcome::Enqueued;
    rows.push_back(json::object{
        {"due", to_unix_seconds(fate.tick.due)},
        {"recorded", to_unix_seconds(fate.tick.recorded)},
        {"lag", enqueued ? json::value(lag_of(fate.tick)) : json::value(nullptr)},
        {"task", text_or_null(fate.tick.task.str())},
        {"outcome", outcome_text(fate.tick.outcome)},
        {"missed", fate.tick.missed},
        {"state", state_of(fate)},
        {"runtime", fate.runtime ? json::value(*fate.runtime) : json::value(nullptr)}});
  }
  return json_response(flower::text(
      json::object{{"ticks", std::move(rows)}, {"now", to_unix_seconds(parts.clock.wall())}}));
}

// A task of its own: no tick is taken by it, so that the schedule goes on as if nothing were.
Response run(const ApiParts& parts, const Request& request) {
  const auto& name = request.parameters.at("name");
  const auto page = parts.store.schedules().read(parts.clock.wall());
  if (!page) return failed(page.error());
  const auto card = std::ranges::find(page->entries, name, &ScheduleCard::name);
  if (card == page->entries.end()) return no_such(name);
  TaskRequest task;
  task.name = card->task;
  task.args = card->args;
  task.kwargs = card->kwargs;
  if (!card->queue.empty()) task.queue = QueueName{card->queue};
  auto line = audit_entry(parts, request, "schedule.run", name);
  const auto accepted = parts.enqueuer.submit(std::span{&task, 1});
  if (accepted) {
    parts.accepted.Increment();
    line.detail = accepted->front().id.str();
  } else {
    line.outcome = accepted.error().what;
  }
  note(parts, {line});
  if (!accepted) return failed(accepted.error(), 422);
  return json_response(flower::text(json::object{{"task-id", accepted->front().id.str()}}));
}

Result<std::string> reason_of(const Request& request) {
  if (request.body.find_first_not_of(" \t\r\n") == std::string::npos) return std::string{};
  const auto wrong = [] {
    return invalid(
        fmt::format("the body must be empty or a JSON object such as {{\"reason\": "
                    "\"migration\"}}, the reason a text of at most {} bytes",
                    kLongestReason));
  };
  const auto body = celery::parse_json(request.body);
  if (!body || !body->is_object()) return wrong();
  const auto* const reason = body->get_object().if_contains("reason");
  if (reason == nullptr || reason->is_null()) return std::string{};
  if (!reason->is_string() || reason->get_string().size() > kLongestReason) return wrong();
  return std::string{reason->get_string()};
}

Response entry_now(const ApiParts& parts, TickStrips& strips, const std::string& name) {
  const auto book = Book::read(parts);
  if (!book) return failed(book.error());
  const auto* const card = book->find(name);
  if (card == nullptr) return no_such(name);
  const auto entry = book->entry(parts, strips, *card, parts.clock.wall(),
                                 parts.clock.steady() + TickStrips::kPatience);
  return entry ? json_response(flower::text(*entry)) : failed(entry.error());
}

Response pause(const ApiParts& parts, TickStrips& strips, const Request& request) {
  const auto& name = request.parameters.at("name");
  const auto reason = reason_of(request);
  if (!reason) return failed(reason.error());
  const auto page = parts.store.schedules().read(parts.clock.wall());
  if (!page) return failed(page.error());
  if (std::ranges::find(page->entries, name, &ScheduleCard::name) == page->entries.end()) {
    return no_such(name);
  }
  auto line = audit_entry(parts, request, "schedule.pause", name);
  line.detail = *reason;
  const auto done = parts.store.schedules().pause(name, *reason, parts.clock.wall());
  if (!done) line.outcome = done.error().what;
  note(parts, {line});
  return done ? entry_now(parts, strips, name) : failed(done.error());
}

Response resume(const ApiParts& parts, TickStrips& strips, const Request& request) {
  const auto& name = request.parameters.at("name");
  auto line = audit_entry(parts, request, "schedule.resume", name);
  const auto done = parts.store.schedules().resume(name, parts.clock.wall());
  if (done && !*done) {
    const auto page = parts.store.schedules().read(parts.clock.wall());
    if (!page) return failed(page.error());
    if (std::ranges::find(page->entries, name, &ScheduleCard::name) == page->entries.end()) {
      return no_such(name);
    }
    line.outcome = "it was not paused";
  }
  if (!done) line.outcome = done.error().what;
  note(parts, {line});
  return done ? entry_now(parts, strips, name) : failed(done.error());
}

}  // namespace

WallTime TickStrips::from(WallTime now) {
  const auto step = std::chrono::duration_cast<WallTime::duration>(kStep);
  const auto since = now.time_since_epoch();
  return WallTime{since - since % step - (kCells - 1) * step};
}

Result<std::vector<std::optional<TickCounts>>> TickStrips::of(const std::string& schedule,
                                                              WallTime now,
                                                              Steady::time_point until) {
  const auto first = from(now);
  std::map<WallTime, Counted> before;
  {
    const std::lock_guard lock{mutex_};
    if (const auto known = counted_.find(schedule); known != counted_.end()) before = known->second;
  }
  std::map<WallTime, Counted> after;
  std::vector<std::optional<TickCounts>> cells(kCells);
  // From now backwards: what is newest is wanted most.
  for (std::size_t i = kCells; i-- > 0;) {
    const auto at = first + static_cast<int>(i) * kStep;
    const auto known = before.find(at);
    const auto steady = clock_.steady();
    const bool lies_back = at + kStep < now;
    if (known != before.end() && lies_back && steady - known->second.at < kKept) {
      after.emplace(at, known->second);
    } else if (steady < until) {
      const auto counts = ledger_.count(schedule, at, at + kStep);
      if (!counts) return counts.error();
      after.emplace(at, Counted{*counts, steady});
    }
    if (const auto now_known = after.find(at); now_known != after.end()) {
      cells[i] = now_known->second.counts;
    }
  }
  const std::lock_guard lock{mutex_};
  counted_[schedule] = std::move(after);
  return cells;
}

void TickStrips::keep(const std::vector<std::string>& schedules) {
  const std::set<std::string> names{schedules.begin(), schedules.end()};
  const std::lock_guard lock{mutex_};
  std::erase_if(counted_, [&](const auto& each) { return !names.contains(each.first); });
}

void add_schedule_routes(http::Router& router, const ApiParts& parts) {
  const auto strips = std::make_shared<TickStrips>(parts.store.ticks(), parts.clock);
  const auto add = [&](const char* method, const char* path, auto handler) {
    router.add(method, path, [parts, strips, handler](const Request& request) {
      if (auto no = refuse_if_closed(parts.closed)) return *no;
      return handler(parts, *strips, request);
    });
  };
  add("GET", "/api/schedule",
      [](const ApiParts& p, TickStrips& s, const Request&) { return list(p, s); });
  add("GET", "/api/schedule/<name...>/ticks",
      [](const ApiParts& p, TickStrips&, const Request& r) { return ticks(p, r); });
  add("POST", "/api/schedule/<name...>/run",
      [](const ApiParts& p, TickStrips&, const Request& r) { return run(p, r); });
  add("POST", "/api/schedule/<name...>/pause", pause);
  add("POST", "/api/schedule/<name...>/resume", resume);
}

}  // namespace umbel::collector
