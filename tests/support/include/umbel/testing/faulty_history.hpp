// A history whose every call may fail as a FaultPlan says. Thread-safe, as the one beneath.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "umbel/history/history.hpp"
#include "umbel/testing/faults.hpp"

namespace umbel::testing {

// The real history and the plan outlive it.
class FaultyHistory final : public History {
 public:
  FaultyHistory(History& real, FaultPlan& plan) : real_{real}, plan_{plan} {}

  [[nodiscard]] Result<void> become_writer() override {
    return plan_.run("history.become_writer", [&] { return real_.become_writer(); });
  }
  [[nodiscard]] Result<void> append(std::span<const Task> tasks, std::span<const Moment> moments,
                                    const HistoryPosition& position) override {
    return plan_.run("history.append", [&] { return real_.append(tasks, moments, position); });
  }
  [[nodiscard]] Result<HistoryPosition> position() override {
    return plan_.run("history.position", [&] { return real_.position(); });
  }
  [[nodiscard]] Result<std::vector<KeptRow>> kept(const std::string& kind,
                                                  std::int64_t from) override {
    return plan_.run("history.kept", [&] { return real_.kept(kind, from); });
  }
  [[nodiscard]] Result<Task> find(const TaskId& id) override {
    return plan_.run("history.find", [&] { return real_.find(id); });
  }
  [[nodiscard]] Result<std::vector<Moment>> timeline(const TaskId& id) override {
    return plan_.run("history.timeline", [&] { return real_.timeline(id); });
  }
  [[nodiscard]] Result<HistoryPage> latest(std::size_t limit,
                                           const std::optional<std::string>& from) override {
    return plan_.run("history.latest", [&] { return real_.latest(limit, from); });
  }
  [[nodiscard]] Result<SearchPage> search(const TaskQuery& query,
                                          const SearchOptions& options) override {
    return plan_.run("history.search", [&] { return real_.search(query, options); });
  }
  [[nodiscard]] Result<std::vector<Task>> unfinished(std::size_t limit) override {
    return plan_.run("history.unfinished", [&] { return real_.unfinished(limit); });
  }
  [[nodiscard]] Result<std::size_t> forget(WallTime before) override {
    return plan_.run("history.forget", [&] { return real_.forget(before); });
  }

 private:
  History& real_;
  FaultPlan& plan_;
};

}  // namespace umbel::testing
