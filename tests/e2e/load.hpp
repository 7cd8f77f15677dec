// Requests of our own, at a steady rate, and what became of each: half go in through the
// collector's HTTP API, half through the library, as a program of somebody else's would do it.
//
// An id that was given out is written down at once; from then on it is owed a result. A thread
// reads along which results are stored, so at any time it is known what is still open since when.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "umbel/base/clock.hpp"
#include "umbel/base/ids.hpp"
#include "umbel/enqueue/enqueuer.hpp"
#include "umbel/store/store.hpp"

namespace umbel::e2e {

struct Asked {
  TaskId id;
  std::string token;         // the line it writes; empty: it writes none
  bool must_succeed = true;  // false: its own bad luck may fail it
  bool over_http = false;
  std::size_t phase = 0;  // what was being done to the programs then
  Steady::time_point given{};
  std::optional<std::chrono::milliseconds> took;  // until its result was seen
};

// Thread-safe.
class Load {
 public:
  // Starts asking, `per_second` in all. References outlive the Load.
  // `unlucky`: a twentieth of the tasks fails now and then and is tried again.
  Load(Enqueuer& enqueuer, Store& store, std::string api_url, double per_second, bool unlucky);
  ~Load();

  void set_phase(std::size_t phase) { phase_ = phase; }
  void stop_asking();  // what was asked for goes on being watched

  // Of what was given out before `instant`, how much has no result yet.
  [[nodiscard]] std::size_t open_before(Steady::time_point instant) const;
  [[nodiscard]] std::vector<Asked> asked() const;
  [[nodiscard]] std::size_t refused() const { return refused_; }  // requests without an answer

 private:
  struct Request {
    std::string name, kwargs, token;
    bool must_succeed = true;
  };
  [[nodiscard]] Request next(std::uint64_t number) const;
  void ask_library(const std::stop_token& stop);
  void ask_api(const std::stop_token& stop);
  void watch(const std::stop_token& stop);
  void given(TaskId id, const Request& request, bool over_http);
  void saw(const TaskId& id, Steady::time_point now);

  Enqueuer& enqueuer_;
  Store& store_;
  const std::string api_url_;
  const bool unlucky_;
  const std::chrono::microseconds pace_;  // of each half
  std::atomic<std::uint64_t> number_{0};
  std::atomic<std::size_t> phase_{0};
  std::atomic<std::size_t> refused_{0};
  mutable std::mutex mutex_;
  std::vector<Asked> asked_;
  std::unordered_map<TaskId, std::size_t> places_;
  std::set<std::pair<Steady::time_point, std::size_t>> open_;
  std::unordered_map<TaskId, Steady::time_point> early_;  // a result seen before its id was
  std::jthread library_, api_, watcher_;
};

}  // namespace umbel::e2e
