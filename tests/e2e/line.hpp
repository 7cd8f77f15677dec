// A whole stack under load, for tests that attack it, and the account that is drawn up in the end.
//
// The account compares sets of ids, not counts: what our requests were given, what the schedule
// fired and what the simulator's own ledger says it listed, against the results in the store, the
// collector's API and its history. What is missing in any of them is lost.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "load.hpp"
#include "umbel/base/clock.hpp"
#include "umbel/base/log.hpp"
#include "umbel/broker/broker.hpp"
#include "umbel/enqueue/enqueuer.hpp"
#include "umbel/http/client.hpp"
#include "umbel/store/store.hpp"
#include "umbel/testing/free_port.hpp"
#include "umbel/testing/process.hpp"
#include "umbel/testing/temp_dir.hpp"

namespace umbel::e2e {

using umbel::testing::Process;

// The environment's number, or this one.
[[nodiscard]] double from_environment(const char* name, double otherwise);

// Programs slowed down by a sanitizer get less to do and more time.
[[nodiscard]] bool sanitized();

struct LineOptions {
  // One `umbel up` runs everything, as the program `up`; the others take its place only while the
  // account is drawn up.
  bool under_up = false;
  std::string broker_url;  // empty: the embedded engine
  // Whether nothing waits or is held in the broker, for one whose own figures do not say.
  std::function<bool()> broker_idle;
  int schedulers = 1;
  double tasks_per_second = sanitized() ? 40 : 200;
  double submissions_per_second = 8;
  bool unlucky = true;       // some tasks fail now and then and are tried again
  bool clocks_jump = false;  // then nobody can say which instants there were
  bool metrics = false;      // workers and schedulers answer at_program()
  // More environment for a program, by its name: a clock of its own, for example.
  std::function<Process::Environment(const std::string& name)> environment;
};

// What came of everything that was asked for. The texts name ids.
struct Account {
  std::vector<std::string> lost;    // no result, or another one than it must have
  std::vector<std::string> untold;  // the collector does not know it, or not how it ended
  std::vector<std::string> wrong;   // ticks twice or passed over, totals that do not agree
  std::vector<Asked> asked;
  std::vector<TaskId> lost_ids;     // of these
  std::map<std::string, int> runs;  // of each token
  std::size_t ticks = 0, submissions = 0, results = 0;

  [[nodiscard]] bool clean() const { return lost.empty() && untold.empty() && wrong.empty(); }
};

std::ostream& operator<<(std::ostream& out, const Account& account);

// Not thread-safe.
class Line {
 public:
  explicit Line(LineOptions options = {});
  ~Line();

  // Programs up and answering, load running. Throws if that does not come about.
  void start();
  // `umbel up` alone, under which they run: it has said that all are up.
  void start_up();

  [[nodiscard]] Process& at(const std::string& name);
  [[nodiscard]] std::vector<std::string> names() const;
  [[nodiscard]] Load& load() { return *load_; }
  [[nodiscard]] Store& store() { return *store_; }
  [[nodiscard]] Broker& broker() { return *broker_; }
  [[nodiscard]] Enqueuer& enqueuer() { return *enqueuer_; }
  [[nodiscard]] std::string file(const std::string& name) const { return dir_.file(name); }
  [[nodiscard]] std::string api(const std::string& path) const;
  // What the program itself says there: /readyz, /metrics. Not under `umbel up`.
  [[nodiscard]] std::string at_program(const std::string& name, const std::string& path) const;
  // The body of a 200; nothing: no answer, or another one.
  [[nodiscard]] std::optional<std::string> get(const std::string& url);

  // Whether the program (or another thing in the way of tasks: then as for a worker) does its work
  // again: something it began after `since` has come out whole.
  [[nodiscard]] std::function<bool()> works_again(const std::string& name, Steady::time_point since,
                                                  WallTime wall);

  // Ends the load, lets all that was begun come to its end, and compares.
  [[nodiscard]] Account settle();
  void print_logs() const;

 private:
  void add(const std::string& name, std::vector<std::string> argv);
  [[nodiscard]] std::string metrics_flag(const std::string& name);
  void add_up();
  void write_schedule(const std::string& file);
  [[nodiscard]] std::optional<std::set<std::string>> ledger();
  [[nodiscard]] bool idle();
  void stop_schedule(Account& account);
  void stop_load(Account& account);
  void check_results(Account& account, std::map<TaskId, TaskState>& ends);
  void check_ticks(Account& account, const std::map<TaskId, TaskState>& ends);
  void check_submissions(Account& account);
  void check_collector(Account& account, const std::map<TaskId, TaskState>& ends);
  void check_history(Account& account, const std::map<TaskId, TaskState>& ends);

  LineOptions options_;
  umbel::testing::TempDir dir_;
  SystemClock clock_;
  Log log_ = Log::none();
  std::string broker_url_ =
      options_.broker_url.empty() ? "sqlite:" + dir_.file("umbel-broker.db") : options_.broker_url;
  std::string store_url_ = "sqlite:" + dir_.file("umbel.db");
  int port_offset_ = 0;
  std::uint16_t simulator_port_ = umbel::testing::free_port();
  std::uint16_t collector_port_ = umbel::testing::free_port();
  std::map<std::string, std::uint16_t> metrics_ports_;  // of workers and schedulers
  std::map<std::string, std::unique_ptr<Process>> programs_;
  std::unique_ptr<Broker> broker_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<Enqueuer> enqueuer_;
  http::Client client_;
  std::unique_ptr<Load> load_;
};

}  // namespace umbel::e2e
