// A Celery application that a test runs: Debian's python3-celery with the application of
// tests/celery/app.py, as workers, as commands, and as an interpreter that is asked things.
//
// Every process ends with the test; what it said is in the message when something fails.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "umbel/testing/process.hpp"
#include "umbel/testing/temp_dir.hpp"

namespace umbel::testing {

struct CeleryOptions {
  std::string broker;   // amqp://…
  std::string backend;  // redis://…, rpc://, or nothing: results are not stored
  // More environment: tests/celery/app.py says what it looks at.
  Process::Environment environment{};
};

struct CeleryWorkerOptions {
  std::string name = "py1";  // the node is <name>@celery
  std::string pool = "prefork";
  int concurrency = 2;
  std::string queues = "celery";
  bool task_events = true;          // -E
  std::vector<std::string> more{};  // more options of `celery worker`
};

// Not thread-safe. What cannot be started, or fails where no outcome is returned, throws
// std::runtime_error with the output.
class CeleryApp {
 public:
  explicit CeleryApp(CeleryOptions options);
  ~CeleryApp();

  // Started and ready to take tasks.
  std::unique_ptr<Process> worker(const CeleryWorkerOptions& options = {});
  // The same, but returns at once.
  std::unique_ptr<Process> launch_worker(const CeleryWorkerOptions& options = {});

  // `celery -A app <arguments>`, to its end.
  CommandOutcome command(const std::vector<std::string>& arguments,
                         std::chrono::seconds limit = std::chrono::seconds{60});
  // The same, but it goes on: `celery -A app events --dump`.
  std::unique_ptr<Process> launch(const std::vector<std::string>& arguments);

  // Runs Python in an interpreter that stays (what one call imported or assigned, the next one has)
  // and has `app`, its tasks and everything in tests/celery/asking.py; returns the value of the
  // last line, if that is an expression, as JSON (what JSON does not know, as its repr). What it
  // raises is thrown with its traceback.
  std::string ask(const std::string& python);

 private:
  [[nodiscard]] std::unique_ptr<Process> python(const std::string& name,
                                                std::vector<std::string> arguments);

  CeleryOptions options_;
  TempDir dir_;
  int processes_ = 0;
  std::uint16_t port_ = 0;  // of the interpreter, once it is there
  std::unique_ptr<Process> interpreter_;
};

}  // namespace umbel::testing
