// A worker's task processes: the other end of PoolKind::Prefork.
//
// They are the worker's own program, started again with one option more. So the program asks first
// thing in main whether it is one, registers the same tasks, and serves instead of working:
//
//   auto child = ChildRole::take(argc, argv);
//   … settings, tasks …
//   if (child) return child->serve(tasks, clock, metrics, log);
//   options.pool = PoolKind::Prefork;
//   options.child_command = own_command(argc, argv);
//
// A task process has no broker connection: it gets its runs from the worker and hands back what
// they end in, spawn and count. It may open the store, which many processes share.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "umbel/base/clock.hpp"
#include "umbel/base/log.hpp"
#include "umbel/base/result.hpp"
#include "umbel/metrics/metrics.hpp"
#include "umbel/worker/task.hpp"

namespace umbel {

// This program and its arguments, for WorkerOptions::child_command. Finds the program even when its
// file has been replaced meanwhile.
[[nodiscard]] std::vector<std::string> own_command(int argc, const char* const* argv);

class ChildRole {
 public:
  // Nothing: this process is no task process. Takes the option that says so out of the arguments;
  // from then on the process dies with its worker and ignores SIGINT, which a terminal sends to
  // all, and SIGPIPE. Call it before any thread exists.
  [[nodiscard]] static std::optional<ChildRole> take(int& argc, char** argv);

  // Runs tasks until the worker hangs up; answers the exit status. The references outlive the call;
  // `metrics` is this process's own, and the worker exports what moves in it.
  [[nodiscard]] int serve(const TaskRegistry& tasks, const Clock& clock, metrics::Metrics& metrics,
                          const Log& log);
  // Tells the worker why this process cannot serve; answers the exit status.
  [[nodiscard]] int unable(const Error& why);

 private:
  ChildRole() = default;
};

}  // namespace umbel
