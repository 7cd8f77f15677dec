// What must hold for a program to do its work, condition by condition, and what is wrong with each
// that does not: the content of /readyz.
//
//   Readiness ready;
//   ready.add("store", [&] { return store.ping(); });             // asked at each /readyz
//   ready.set("schedule", unavailable("schedule.yaml:3: …"));     // told by whoever finds out
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "umbel/base/result.hpp"

namespace umbel {

// Thread-safe. A program with no condition is ready.
class Readiness {
 public:
  // A value: it holds. An error: why not, in words that may be shown to anybody. It is called from
  // any thread, several at once, must answer within a second, and may throw, which is a "no".
  using Check = std::function<Result<void>()>;
  struct Condition {
    std::string name;
    std::string wrong;  // empty: it holds
    [[nodiscard]] bool holds() const { return wrong.empty(); }
  };

  Readiness() = default;
  Readiness(const Readiness&) = delete;
  Readiness& operator=(const Readiness&) = delete;

  // Both replace a condition of the same name, of whichever kind.
  void add(const std::string& name, Check check);
  void set(const std::string& name, Result<void> state);
  void remove(const std::string& name);

  // All of them, by name; asks every check now.
  [[nodiscard]] std::vector<Condition> conditions() const;
  // The same as one word: the first that does not hold, as `name: what is wrong`.
  [[nodiscard]] Result<void> all() const;

 private:
  mutable std::mutex mutex_;
  std::map<std::string, Check> checks_;
};

}  // namespace umbel
