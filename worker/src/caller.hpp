// Where a task's function is called: on the slot's own thread, or in a process that the slot keeps.
//
// The pool knows slots and jobs, the runner knows what a run needs before and after; what lies
// between them is one call, and this is its face.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <stop_token>
#include <string>
#include <variant>

#include "ending.hpp"
#include "job.hpp"
#include "run_context.hpp"

namespace umbel {

// The function did not come to its end: the process that it ran in is gone.
struct Lost {
  enum class Why {
    Died,        // by itself, or by somebody else's hand
    TimedOut,    // killed: its hard time limit passed
    Overdue,     // killed: it did not return after it was told to stop
    Terminated,  // killed: somebody asked for it
    Abandoned,   // killed: the worker ends without it
  };
  Why why = Why::Died;
  std::string how;        // `signal 11 (SIGSEGV)` or `exitcode 3`
  std::uint64_t job = 0;  // the call's number in this worker
};

// What became of a call: the function returned, it threw, or it was lost.
using Called = std::variant<Ending, Raised, Lost>;

struct Call {
  const Job& job;
  RunContext& context;
  RunControl& control;
  std::optional<double> hard_limit;  // seconds from now
  bool ignore_result = false;
};

// Belongs to one slot. Only wake(), process() and fault() may be called from other threads
// than the slot's.
class Caller {
 public:
  virtual ~Caller() = default;
  // Whether a call can be made now. Asked before the slot takes a job, under the pool's lock.
  [[nodiscard]] virtual bool can_call() = 0;
  // Tries to make it so; waits a while if it does not succeed, until told to stop.
  virtual void ready(const std::stop_token& stop) = 0;
  // Never throws what the function throws.
  [[nodiscard]] virtual Called call(const Call& call) = 0;
  // The control of the call under way has changed. Does not block.
  virtual void wake() = 0;
  // The slot's process; nothing: it has none now.
  [[nodiscard]] virtual std::optional<pid_t> process() const = 0;
  // Why no call can be made at present; nothing: it can.
  [[nodiscard]] virtual std::optional<std::string> fault() const = 0;
};

// On the slot's own thread: nothing can be killed.
class ThreadCaller final : public Caller {
 public:
  [[nodiscard]] bool can_call() override { return true; }
  void ready(const std::stop_token&) override {}
  [[nodiscard]] Called call(const Call& call) override;
  void wake() override {}
  [[nodiscard]] std::optional<pid_t> process() const override { return std::nullopt; }
  [[nodiscard]] std::optional<std::string> fault() const override { return std::nullopt; }
};

// How the slots of a pool call.
class Callers {
 public:
  virtual ~Callers() = default;
  [[nodiscard]] virtual std::unique_ptr<Caller> make() = 0;
  // Whether a call can be ended from outside, so that hard limits hold and no slot is ever lost.
  [[nodiscard]] virtual bool can_kill() const = 0;
};

class ThreadCallers final : public Callers {
 public:
  [[nodiscard]] std::unique_ptr<Caller> make() override { return std::make_unique<ThreadCaller>(); }
  [[nodiscard]] bool can_kill() const override { return false; }
};

// What a slot has of its own.
struct SlotTools {
  std::unique_ptr<Caller> caller;
  std::mt19937_64 random{std::random_device{}()};
};

}  // namespace umbel
