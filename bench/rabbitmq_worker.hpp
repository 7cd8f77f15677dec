// The consumers of rabbitmq_bench that are this very program, started again: so that each has a
// process of its own, as Celery's have.
#pragma once

#include <cstddef>
#include <string>

namespace umbel::bench {

struct WorkerRole {
  std::string url;      // of the broker
  std::string store;    // the store's file
  std::string backend;  // redis://…; empty: callers outside are told nothing
  std::string pool = "threads";
  std::size_t ahead = 256;  // messages held
  bool events = false, results = false;
};

// Registers the tasks, works until SIGTERM; answers the exit status. Or is a task process of such a
// worker, if the arguments say so.
[[nodiscard]] int work(const WorkerRole& role);
[[nodiscard]] bool is_task_process(int& argc, char** argv, int& status);

}  // namespace umbel::bench
