// Every call fails once: the plan of faults that decorators over the ports share.
//
// A network, a disk or another process can fail at any call, before the call took effect or after
// it (the answer was lost). A scenario run once for each call that it makes, in both ways, leaves
// no failure path out, not even the one that is added tomorrow.
#pragma once

#include <gtest/gtest.h>

#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "umbel/base/result.hpp"

namespace umbel::testing {

enum class When {
  Before,  // nothing happened; the caller is told Errc::Unavailable
  After,   // it took effect; the caller is told Errc::OutcomeUnknown
};

inline const char* to_text(When when) { return when == When::Before ? "before" : "after"; }

// Which decorated calls fail. Thread-safe; outlives the decorators that share it.
class FaultPlan {
 public:
  // The nth decorated call from now fails (1: the next one), once. Replaces what was planned.
  void fail(int nth, When when) {
    const std::scoped_lock lock{mutex_};
    left_ = nth;
    when_ = when;
    fired_ = false;
    last_.clear();
  }
  // Every call fails from now on, until it is told otherwise: the other side is gone.
  void out(bool out) {
    const std::scoped_lock lock{mutex_};
    out_ = out;
  }
  // Only calls whose name begins so are counted and fail ("outbox.", "broker.publish"); all by
  // default.
  void only(std::string prefix) {
    const std::scoped_lock lock{mutex_};
    only_ = std::move(prefix);
  }

  [[nodiscard]] bool fired() const {
    const std::scoped_lock lock{mutex_};
    return fired_;
  }
  // The name of the call that failed last; empty: none did.
  [[nodiscard]] std::string last() const {
    const std::scoped_lock lock{mutex_};
    return last_;
  }
  // Decorated calls so far, failed ones too.
  [[nodiscard]] int calls() const {
    const std::scoped_lock lock{mutex_};
    return calls_;
  }

  // For decorators: runs `real` unless the plan says that this call fails. `name` is the part and
  // the call: "outbox.accept". `undo` is done after a call that failed After, to leave the other
  // side as a lost connection would leave it.
  template <class Call, class Undo>
  std::invoke_result_t<Call> run(std::string_view name, Call&& real, Undo&& undo) {
    const auto fault = next(name);
    if (!fault) return real();
    if (*fault == When::Before) return unavailable(std::string{name} + ": told to fail");
    auto done = real();
    if (!done) return done;
    undo(done);
    return Error{Errc::OutcomeUnknown, std::string{name} + ": told to lose the answer"};
  }
  template <class Call>
  std::invoke_result_t<Call> run(std::string_view name, Call&& real) {
    return run(name, std::forward<Call>(real), [](auto&) {});
  }

 private:
  std::optional<When> next(std::string_view name) {
    const std::scoped_lock lock{mutex_};
    if (!name.starts_with(only_)) return std::nullopt;
    ++calls_;
    if (out_) {
      last_ = name;
      return When::Before;
    }
    if (left_ == 0 || --left_ > 0) return std::nullopt;
    fired_ = true;
    last_ = name;
    return when_;
  }

  mutable std::mutex mutex_;
  std::string only_;
  std::string last_;
  When when_ = When::Before;
  int left_ = 0;
  int calls_ = 0;
  bool out_ = false;
  bool fired_ = false;
};

// Runs `scenario(FaultPlan&)` with the first call failing, the second, … before and after it took
// effect, until a run ends without meeting its fault. Each run gets a plan of its own and sets up
// everything anew. Stops at the first run with a failure, and says which call it was.
template <class Scenario>
void fail_each_call(Scenario&& scenario, int most_calls = 500) {
  for (const auto when : {When::Before, When::After}) {
    for (int nth = 1;; ++nth) {
      if (nth > most_calls) {
        ADD_FAILURE() << "the scenario still makes calls after " << most_calls;
        return;
      }
      const ::testing::ScopedTrace trace{
          __FILE__, __LINE__,
          "call " + std::to_string(nth) + " fails " + to_text(when) + " it took effect"};
      FaultPlan plan;
      plan.fail(nth, when);
      scenario(plan);
      if (::testing::Test::HasFailure()) {
        ADD_FAILURE() << "with the fault in `" << plan.last() << "`";
        return;
      }
      if (plan.fired()) continue;
      if (nth == 1) ADD_FAILURE() << "the scenario makes no decorated call";
      break;
    }
  }
}

}  // namespace umbel::testing
