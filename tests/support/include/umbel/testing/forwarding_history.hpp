// A history that hands every call on to another: for tests that change one or two of them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "umbel/history/history.hpp"

namespace umbel::testing {

// The real history outlives it. Thread-safe, as the one beneath.
class ForwardingHistory : public History {
 public:
  explicit ForwardingHistory(History& real) : real_{real} {}

  [[nodiscard]] Result<void> become_writer() override { return real_.become_writer(); }
  [[nodiscard]] Result<void> append(std::span<const Task> tasks, std::span<const Moment> moments,
                                    const HistoryPosition& position) override {
    return real_.append(tasks, moments, position);
  }
  [[nodiscard]] Result<HistoryPosition> position() override { return real_.position(); }
  [[nodiscard]] Result<std::vector<KeptRow>> kept(const std::string& kind,
                                                  std::int64_t from) override {
    return real_.kept(kind, from);
  }
  [[nodiscard]] Result<Task> find(const TaskId& id) override { return real_.find(id); }
  [[nodiscard]] Result<std::vector<Moment>> timeline(const TaskId& id) override {
    return real_.timeline(id);
  }
  [[nodiscard]] Result<HistoryPage> latest(std::size_t limit,
                                           const std::optional<std::string>& from) override {
    return real_.latest(limit, from);
  }
  [[nodiscard]] Result<SearchPage> search(const TaskQuery& query,
                                          const SearchOptions& options) override {
    return real_.search(query, options);
  }
  [[nodiscard]] Result<std::vector<Task>> unfinished(std::size_t limit) override {
    return real_.unfinished(limit);
  }
  [[nodiscard]] Result<std::vector<HistoryDay>> day_sizes() override { return real_.day_sizes(); }
  [[nodiscard]] Result<std::size_t> forget(WallTime before) override {
    return real_.forget(before);
  }

 private:
  History& real_;
};

}  // namespace umbel::testing
