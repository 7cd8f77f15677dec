#include "inspector.hpp"

#include <array>
#include <utility>

#include "umbel/base/text.hpp"

namespace umbel::collector {
namespace {

namespace json = boost::json;

// As Flower asks; what is asked of `active` are texts that may be shown.
std::vector<ControlQuestion> questions_to(const std::vector<std::string>& workers) {
  static constexpr std::array kPlain{"stats",    "active_queues", "registered",
                                     "reserved", "scheduled",     "revoked"};
  std::vector<ControlQuestion> questions;
  for (const char* method : kPlain)
    questions.push_back({.method = method, .arguments = {}, .destination = workers});
  questions.push_back({.method = "active", .arguments = {{"safe", true}}, .destination = workers});
  questions.push_back(
      {.method = "conf", .arguments = {{"with_defaults", false}}, .destination = workers});
  return questions;
}

}  // namespace

Inspector::Inspector(ControlClient& control, Inspections& inspections, Live& live, Repair& repair,
                     const Clock& clock, Log log, InspectorOptions options)
    : control_{control},
      inspections_{inspections},
      live_{live},
      repair_{repair},
      clock_{clock},
      log_{log},
      options_{options} {}

Inspector::~Inspector() { stop(); }

void Inspector::start() {
  thread_ = std::jthread{[this](const std::stop_token& stop) { run(stop); }};
}

void Inspector::stop() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
}

void Inspector::run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    look();
    std::unique_lock lock{mutex_};
    wake_.wait_for(lock, stop, options_.look_every, [] { return false; });
  }
}

void Inspector::look() {
  if (!woken_) woken_ = control_.tell({.method = "heartbeat"}).has_value();
  const auto now = clock_.steady();
  const auto fresh = fresh_ones();
  std::set<std::string> asked_for{fresh.begin(), fresh.end()};
  {
    const std::lock_guard lock{mutex_};
    asked_for.merge(std::exchange(again_, {}));
  }
  wanted_ = repair_.wants_answers() || wanted_;
  const auto since = asked_ ? now - *asked_ : options_.ask_every;
  const bool everybody = since >= options_.ask_every || (wanted_ && since >= options_.again_after);
  if (everybody) wanted_ = false;
  if (everybody) asked_ = now;
  if (everybody || !asked_for.empty()) {
    const auto asked = inspect(everybody ? std::vector<std::string>{}
                                         : std::vector(asked_for.begin(), asked_for.end()));
    if (!asked) log_.debug("workers were asked", {{"why not", asked.error().what}});
  }
  if (options_.enable_events && !fresh.empty())
    (void)control_.tell({.method = "enable_events", .arguments = {}, .destination = fresh});
  if (!events_looked_ || now - *events_looked_ >= options_.events_every) {
    events_looked_ = now;
    look_for_silent_ones();
  }
  repair_.look();
}

void Inspector::again(const std::string& worker) {
  const std::lock_guard lock{mutex_};
  again_.insert(worker);
}

// Those that were not online at the last look, or are another process since.
std::vector<std::string> Inspector::fresh_ones() {
  std::map<std::string, Sight> seen;
  std::set<std::string> known;
  live_.with([&](LiveState& state) {
    const WallTime now = clock_.wall();
    for (const auto& [name, worker] : state.workers()) {
      known.insert(name);
      seen[name] = {.pid = worker.state.pid,
                    .online = worker.state.status(now) == WorkerStatus::Online};
    }
  });
  inspections_.keep_only(known);
  std::vector<std::string> fresh;
  for (const auto& [name, sight] : seen) {
    if (!sight.online) continue;
    const auto before = sights_.find(name);
    if (before == sights_.end() || !before->second.online || before->second.pid != sight.pid)
      fresh.push_back(name);
  }
  sights_ = std::move(seen);
  return fresh;
}

// A worker that takes tasks and tells of none has its events switched off.
void Inspector::look_for_silent_ones() {
  std::map<std::string, Sight> seen;
  live_.with([&](LiveState& state) {
    const WallTime now = clock_.wall();
    for (const auto& [name, worker] : state.workers()) {
      if (worker.state.status(now) != WorkerStatus::Online) continue;
      seen[name] = {.pid = worker.state.pid,
                    .online = true,
                    .processed = worker.state.processed,
                    .told = worker.task_events};
    }
  });
  ControlQuestion question{.method = "enable_events"};
  for (const auto& [name, sight] : seen) {
    const auto before = event_sights_.find(name);
    if (before == event_sights_.end()) continue;
    if (sight.processed > before->second.processed && sight.told == before->second.told)
      question.destination.push_back(name);
  }
  event_sights_ = std::move(seen);
  if (question.destination.empty()) return;
  live_.with([&](LiveState& state) {
    for (const std::string& name : question.destination) state.set_silent(name, true);
  });
  if (!options_.enable_events) return;
  log_.info("workers are asked to tell of their tasks",
            {{"workers", question.destination.size()}, {"first", question.destination.front()}});
  (void)control_.tell(question);
}

Result<void> Inspector::inspect(const std::vector<std::string>& workers) {
  const WallTime asked = clock_.wall();
  const auto questions = questions_to(workers);
  const auto answers = control_.ask_all(questions);
  std::map<std::string, Inspection> told;
  for (std::size_t i = 0; i < answers.size(); ++i) {
    if (!answers[i]) continue;
    for (const auto& [node, value] : answers[i]->by_node)
      told[node].answers.emplace(questions[i].method, value);
  }
  if (told.empty()) return answers.front().error();
  for (auto& [worker, inspection] : told) {
    inspection.at = clock_.wall();
    put(worker, inspection);
  }
  repair_.told(std::move(told), asked);
  return {};
}

void Inspector::put(const std::string& worker, const Inspection& told) {
  const WorkerFacts facts = facts_of(told);
  const bool known =
      live_.with([&](LiveState& state) { return state.hear_of(worker, facts, told.at); });
  if (!known) return;
  for (const auto& [method, value] : told.answers) {
    if (!inspections_.put(worker, method, value, told.at)) {
      log_.debug("there is no room for what a worker says of itself",
                 {{"worker", shortened(worker, 80)}, {"method", std::string{method}}});
    }
  }
}

}  // namespace umbel::collector
