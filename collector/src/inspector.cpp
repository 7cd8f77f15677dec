#include "inspector.hpp"

#include <array>
#include <utility>

#include "umbel/base/text.hpp"

namespace umbel::collector {
namespace {

namespace json = boost::json;

constexpr std::array kAgain{std::chrono::seconds{0}, std::chrono::seconds{2},
                            std::chrono::seconds{5}};

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
  asked_for.merge(due_again());
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
  std::vector<std::string> to_enable;
  for (const std::string& name : fresh) {
    if (options_.enable_events && sights_.at(name).may_enable) to_enable.push_back(name);
  }
  if (!to_enable.empty())
    (void)control_.tell({.method = "enable_events", .arguments = {}, .destination = to_enable});
  if (!events_looked_ || now - *events_looked_ >= options_.events_every) {
    events_looked_ = now;
    look_for_silent_ones();
    look_for_grown_pools();
  }
  repair_.look();
}

void Inspector::again(const std::string& worker) {
  const auto now = clock_.steady();
  const std::lock_guard lock{mutex_};
  for (const auto later : kAgain) again_.emplace(now + later, worker);
}

std::set<std::string> Inspector::due_again() {
  std::set<std::string> due;
  const auto now = clock_.steady();
  const std::lock_guard lock{mutex_};
  const auto end = again_.upper_bound(now);
  for (auto each = again_.begin(); each != end; ++each) due.insert(each->second);
  again_.erase(again_.begin(), end);
  return due;
}

// Those that were not online at the last look, or began anew since.
std::vector<std::string> Inspector::fresh_ones() {
  std::map<std::string, Sight> seen;
  std::set<std::string> known;
  live_.with([&](LiveState& state) {
    const WallTime now = clock_.wall();
    for (const auto& [name, worker] : state.workers()) {
      known.insert(name);
      seen[name] = {.pid = worker.state.pid,
                    .online = worker.state.status(now) == WorkerStatus::Online,
                    .came_online = worker.came_online,
                    .twins = worker.twins.seen(now),
                    .may_enable = worker.state.sw_ident != "umbel"};
    }
  });
  inspections_.keep_only(known);
  std::vector<std::string> fresh;
  for (const auto& [name, sight] : seen) {
    if (!sight.online) continue;
    const auto before = sights_.find(name);
    const bool other = before == sights_.end() || !before->second.online ||
                       before->second.came_online != sight.came_online ||
                       before->second.pid != sight.pid;
    if (other && !sight.twins) fresh.push_back(name);
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
                    .told = worker.task_events,
                    .may_enable = worker.state.sw_ident != "umbel"};
    }
  });
  std::vector<std::string> silent, to_enable;
  for (const auto& [name, sight] : seen) {
    const auto before = event_sights_.find(name);
    if (before == event_sights_.end()) continue;
    if (sight.processed <= before->second.processed || sight.told != before->second.told) continue;
    silent.push_back(name);
    if (sight.may_enable) to_enable.push_back(name);
  }
  event_sights_ = std::move(seen);
  live_.with([&](LiveState& state) {
    for (const std::string& name : silent) state.set_silent(name, true);
  });
  if (options_.enable_events && !to_enable.empty()) enable_events_of(to_enable);
}

// Whoever agrees tells of its tasks from now on; one whose events were on has tasks that send none.
void Inspector::enable_events_of(const std::vector<std::string>& workers) {
  log_.info("workers are asked to tell of their tasks",
            {{"workers", workers.size()}, {"first", workers.front()}});
  const auto answers =
      control_.ask({.method = "enable_events", .arguments = {}, .destination = workers});
  if (!answers) return;
  live_.with([&](LiveState& state) {
    for (const auto& [name, value] : answers->by_node) {
      if (value.is_object() && value.get_object().contains("ok")) state.set_silent(name, false);
    }
  });
}

// More run than there were slots when it was asked.
void Inspector::look_for_grown_pools() {
  std::set<std::string> grown;
  live_.with([&](LiveState& state) {
    for (const auto& [name, worker] : state.workers()) {
      if (!worker.says_slots && worker.state.slots > 0 && worker.state.active > worker.state.slots)
        grown.insert(name);
    }
  });
  const auto now_at = clock_.steady();
  const std::lock_guard lock{mutex_};
  for (const std::string& name : grown) again_.emplace(now_at, name);
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
