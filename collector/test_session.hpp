// One run of a collector's intake over engines, for tests.
#pragma once

#include <functional>
#include <stdexcept>
#include <string>

#include "intake.hpp"
#include "test_engines.hpp"
#include "umbel/testing/eventually.hpp"

namespace umbel::collector {

// One run of a collector's intake, from start to end.
struct Session {
  explicit Session(TestEngines& engines, IntakeOptions options = quick())
      : Session{*engines.broker, *engines.store, *engines.history, engines.clock, options} {}
  Session(Broker& broker, Store& store, History& history, const Clock& clock,
          IntakeOptions options = quick())
      : live{options.most_tasks, clock.wall(), &clock},
        intake{broker,      store.results(), history,
               live,        clock,           metrics,
               Log::none(), options,         [] { return std::uint64_t{1}; }} {
    // As a supervisor would, which starts a program again that could not start.
    for (int tried = 1; !intake.load(); ++tried) {
      if (tried == 5) throw std::runtime_error{"the history cannot be loaded"};
    }
    intake.start();
  }
  static IntakeOptions quick() {
    IntakeOptions options;
    options.flush_every = std::chrono::milliseconds{10};
    options.close_after = std::chrono::milliseconds{50};
    options.tail_every = std::chrono::milliseconds{20};
    return options;
  }
  Totals totals() {
    return live.with([](LiveState& state) { return state.totals(); });
  }
  bool reaches(const std::function<bool(const Totals&)>& holds) {
    return testing::eventually([&] { return holds(totals()); });
  }
  bool knows(const std::string& id) {
    return live.with([&](LiveState& state) { return state.knows(TaskId{id}); });
  }
  bool counts(const std::string& line) { return metrics.text().find(line) != std::string::npos; }

  metrics::Metrics metrics{"collector"};
  Live live;
  Intake intake;
};

inline bool kept_in_state(History& history, const std::string& id, TaskState state) {
  const auto task = history.find(TaskId{id});
  return task && task->state == state;
}

}  // namespace umbel::collector
