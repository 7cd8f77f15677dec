#include "kept.hpp"

#include <algorithm>
#include <boost/json.hpp>

namespace umbel::collector {
namespace {

namespace json = boost::json;

std::uint64_t number(const json::object& object, std::string_view key) {
  const json::value* const value = object.if_contains(key);
  boost::system::error_code error;
  return value == nullptr ? 0 : value->to_number<std::uint64_t>(error);
}

std::string text(const json::object& object, std::string_view key) {
  const json::value* const value = object.if_contains(key);
  return value != nullptr && value->is_string() ? std::string{value->get_string()} : std::string{};
}

std::optional<WallTime> time(const json::object& object, std::string_view key) {
  const std::uint64_t micros = number(object, key);
  if (micros == 0) return std::nullopt;
  return from_micros(static_cast<std::int64_t>(micros));
}

json::value micros(const std::optional<WallTime>& time) {
  return time ? json::value(to_micros(*time)) : json::value(nullptr);
}

json::array taken_note(const TakenIn& taken) {
  return {to_micros(taken.at), taken.pid,
          taken.clock ? json::value(*taken.clock) : json::value(nullptr)};
}

TakenIn taken_from(const json::object& note, std::string_view key) {
  TakenIn taken;
  const json::value* const parts = note.if_contains(key);
  if (parts == nullptr || !parts->is_array() || parts->get_array().size() != 3) return taken;
  const auto whole = [&](std::size_t at) {
    boost::system::error_code none;
    return parts->get_array()[at].to_number<std::int64_t>(none);
  };
  taken.at = from_micros(whole(0));
  taken.pid = whole(1);
  if (!parts->get_array()[2].is_null()) taken.clock = whole(2);
  return taken;
}

json::array runs_note(const ToldRuns::State& runs) {
  return {runs.pid,
          runs.offset,
          runs.told,
          runs.processed,
          to_micros(runs.stamped),
          to_micros(runs.since)};
}

ToldRuns::State runs_from(const json::object& note) {
  const json::value* const parts = note.if_contains("runs");
  if (parts == nullptr || !parts->is_array() || parts->get_array().size() != 6) return {};
  const auto whole = [&](std::size_t at) {
    boost::system::error_code none;
    return parts->get_array()[at].to_number<std::int64_t>(none);
  };
  return {.pid = whole(0),
          .offset = whole(1),
          .told = whole(2),
          .processed = whole(3),
          .stamped = from_micros(whole(4)),
          .since = from_micros(whole(5))};
}

json::object worker_note(const LiveWorker& worker) {
  const WorkerState& state = worker.state;
  json::object note{{"name", state.name.str()},
                    {"pid", state.pid},
                    {"sequence", worker.last_sequence},
                    {"freq", state.freq},
                    {"processed", state.processed},
                    {"sw_ident", state.sw_ident},
                    {"sw_ver", state.sw_ver},
                    {"metrics_address", state.metrics_address},
                    {"slots", state.slots},
                    {"queues", state.queues},
                    {"first_seen", micros(state.first_seen)},
                    {"last_seen", micros(state.last_seen)},
                    {"tasks_taken", taken_note(worker.tasks_taken)},
                    {"own_taken", taken_note(worker.own_taken)}};
  if (worker.runs.since()) note["runs"] = runs_note(worker.runs.state());
  if (state.said_goodbye) note["goodbye"] = true;
  return note;
}

LiveWorker worker_from(const json::object& note) {
  LiveWorker worker;
  WorkerState& state = worker.state;
  state.name = WorkerName{text(note, "name")};
  state.pid = static_cast<std::int64_t>(number(note, "pid"));
  worker.last_sequence = number(note, "sequence");
  if (const json::value* const freq = note.if_contains("freq")) {
    boost::system::error_code error;
    const double seconds = freq->to_number<double>(error);
    if (!error && seconds > 0) state.freq = seconds;
  }
  state.processed = static_cast<std::int64_t>(number(note, "processed"));
  state.sw_ident = text(note, "sw_ident");
  state.sw_ver = text(note, "sw_ver");
  state.metrics_address = text(note, "metrics_address");
  state.slots = static_cast<std::int64_t>(number(note, "slots"));
  state.queues = text(note, "queues");
  state.first_seen = time(note, "first_seen");
  state.last_seen = time(note, "last_seen");
  state.said_goodbye = note.contains("goodbye");
  worker.tasks_taken = taken_from(note, "tasks_taken");
  worker.own_taken = taken_from(note, "own_taken");
  worker.runs.restore(runs_from(note));
  return worker;
}

}  // namespace

std::string to_note(const LiveState& state, std::optional<WallTime> since,
                    const CountedUpTo& counted) {
  const Totals& totals = state.totals();
  json::array unfinished;
  for (const std::uint64_t count : state.unfinished()) unfinished.emplace_back(count);
  json::array workers;
  for (const auto& [name, worker] : state.workers()) workers.push_back(worker_note(worker));
  const auto& queues = state.named_queues();
  return json::serialize(json::object{{"succeeded", totals.succeeded},
                                      {"failed", totals.failed},
                                      {"retried", totals.retried},
                                      {"received", totals.received},
                                      {"missed_events", totals.missed_events},
                                      {"cut_batches", totals.cut_batches},
                                      {"counted_events", counted.events},
                                      {"counted_results", counted.results},
                                      {"unfinished", std::move(unfinished)},
                                      {"since", micros(since)},
                                      {"events_read", micros(state.monitor().events_read)},
                                      {"queues", json::array(queues.begin(), queues.end())},
                                      {"workers", std::move(workers)}});
}

Result<Kept> from_note(const std::string& note) {
  Kept kept;
  if (note.empty()) return kept;
  boost::system::error_code error;
  const json::value parsed = json::parse(note, error);
  if (error || !parsed.is_object())
    return invalid("the note kept in the history is not a JSON object");
  const json::object& object = parsed.get_object();
  kept.totals = {.succeeded = number(object, "succeeded"),
                 .failed = number(object, "failed"),
                 .retried = number(object, "retried"),
                 .received = number(object, "received"),
                 .missed_events = number(object, "missed_events"),
                 .cut_batches = number(object, "cut_batches")};
  kept.counted = {.events = number(object, "counted_events"),
                  .results = number(object, "counted_results")};
  if (const json::value* const counts = object.if_contains("unfinished");
      counts != nullptr && counts->is_array()) {
    const json::array& array = counts->get_array();
    for (std::size_t i = 0; i < std::min(array.size(), kept.unfinished.size()); ++i) {
      boost::system::error_code none;
      kept.unfinished[i] = array[i].to_number<std::uint64_t>(none);
    }
  }
  kept.since = time(object, "since");
  kept.events_read = time(object, "events_read");
  if (const json::value* const queues = object.if_contains("queues");
      queues != nullptr && queues->is_array()) {
    for (const json::value& each : queues->get_array()) {
      if (each.is_string()) kept.queues.emplace_back(std::string_view{each.get_string()});
    }
  }
  if (const json::value* const workers = object.if_contains("workers");
      workers != nullptr && workers->is_array()) {
    for (const json::value& each : workers->get_array()) {
      if (each.is_object()) kept.workers.push_back(worker_from(each.get_object()));
    }
  }
  return kept;
}

}  // namespace umbel::collector
