// Tasks accepted over HTTP, durably: a collector of its own in this process (the real one, over the
// embedded engines), and keep-alive connections from a client process that post one task after
// another.
//
//   http_accept_bench [CONNECTIONS=64] [SECONDS=10] [drain]
//
// `drain`: a worker beside it runs what is accepted. Prints accepted tasks a second and the times
// of the answers, and fails if an accepted id has no status.
#include <fmt/format.h>
#include <sys/wait.h>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <memory>
#include <thread>
#include <vector>

#include "http_client.hpp"
#include "umbel/broker_sqlite/sqlite_broker.hpp"
#include "umbel/collector/collector.hpp"
#include "umbel/engines/engines.hpp"
#include "umbel/store_sqlite/sqlite_store.hpp"
#include "umbel/testing/temp_dir.hpp"
#include "umbel/worker/worker.hpp"

namespace {

using Steady = std::chrono::steady_clock;

struct Client {
  std::vector<double> milliseconds;
  std::string last_id;
};

void post_until(std::uint16_t port, Steady::time_point end, Client& client) {
  const std::string body = R"({"kwargs": {}})";
  const std::string request =
      "POST /api/task/async-apply/noop HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
      "application/json\r\nContent-Length: " +
      std::to_string(body.size()) + "\r\n\r\n" + body;
  const int descriptor = umbel::bench::connect_to(port);
  std::string rest;
  while (Steady::now() < end) {
    const auto begin = Steady::now();
    umbel::bench::send_all(descriptor, request);
    const std::string response = umbel::bench::read_response(descriptor, rest);
    if (!response.starts_with("HTTP/1.1 200 ")) throw std::runtime_error{response};
    client.milliseconds.push_back(
        std::chrono::duration<double, std::milli>(Steady::now() - begin).count());
    const auto id = response.find("\"task-id\": \"") + 12;
    client.last_id = response.substr(id, response.find('"', id) - id);
  }
  close(descriptor);
}

int run_clients(std::uint16_t port, std::size_t connections, int seconds, const char* what) {
  std::vector<Client> clients(connections);
  const auto begin = Steady::now();
  {
    std::vector<std::jthread> threads;
    for (auto& client : clients) {
      threads.emplace_back(
          [&, port] { post_until(port, begin + std::chrono::seconds{seconds}, client); });
    }
  }
  const double passed = std::chrono::duration<double>(Steady::now() - begin).count();
  std::vector<double> all;
  for (const auto& client : clients) {
    all.insert(all.end(), client.milliseconds.begin(), client.milliseconds.end());
    const int descriptor = umbel::bench::connect_to(port);
    std::string rest;
    umbel::bench::send_all(
        descriptor, "GET /task/status/" + client.last_id + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
    if (!umbel::bench::read_response(descriptor, rest).starts_with("HTTP/1.1 200 ")) {
      std::cerr << "an accepted id has no status: " << client.last_id << "\n";
      return 1;
    }
    close(descriptor);
  }
  std::sort(all.begin(), all.end());
  const auto at = [&](double share) {
    return all[std::min(all.size() - 1,
                        static_cast<std::size_t>(share * static_cast<double>(all.size())))];
  };
  std::cout << fmt::format(
      "{} connections{}: {:.0f} accepted/s, answers p50 {:.1f} ms, p99 {:.1f} ms\n", connections,
      what, static_cast<double>(all.size()) / passed, at(0.5), at(0.99));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::size_t connections = argc > 1 ? std::stoul(argv[1]) : 64;
  const int seconds = argc > 2 ? std::stoi(argv[2]) : 10;
  const bool drain = argc > 3 && std::string{argv[3]} == "drain";
  // The client is a process of its own, forked while there is one thread; it is told the port.
  int told[2];
  if (pipe(told) != 0) return 1;
  const pid_t child = fork();
  if (child == 0) {
    std::uint16_t port = 0;
    if (read(told[0], &port, sizeof port) != sizeof port) _exit(1);
    int status = 1;
    try {
      status = run_clients(port, connections, seconds, drain ? ", a worker drains" : "");
    } catch (const std::exception& failed) {
      std::cerr << failed.what() << "\n";
    }
    std::cout.flush();
    _exit(status);
  }

  const umbel::testing::TempDir dir;
  const umbel::SystemClock clock;
  const umbel::Log log{"bench", umbel::LogLevel::Warn};
  const std::string store_url = "sqlite:" + dir.file("store.db");
  const auto broker = umbel::open_broker("sqlite:" + dir.file("broker.db"), clock, log).value();
  const auto store = umbel::open_store(store_url, clock, log).value();
  const auto history = umbel::open_history(store_url, clock, log).value();
  umbel::metrics::Metrics metrics{"collector"}, worker_metrics{"worker"};
  umbel::Enqueuer enqueuer{*store, *broker, clock, log, "gen1@bench"};
  umbel::collector::CollectorOptions options;
  options.port = 0;
  umbel::collector::Collector collector{options,  *broker, *store,  *history,
                                        enqueuer, clock,   metrics, log};
  if (const auto started = collector.start(); !started)
    throw std::runtime_error{started.error().what};
  umbel::TaskRegistry tasks;
  tasks.add("noop", +[](umbel::TaskContext&) {}, {}, {.ignore_result = true});
  umbel::WorkerOptions worker_options;
  worker_options.name = umbel::WorkerName{"bench@localhost"};
  worker_options.prefetch_multiplier = 128;
  worker_options.queues = {umbel::QueueName{umbel::kDefaultQueue}};
  umbel::Worker worker{worker_options, tasks, *broker, *store, clock, worker_metrics, log};
  if (drain) {
    if (const auto started = worker.start(); !started)
      throw std::runtime_error{started.error().what};
  }
  const std::uint16_t port = collector.port();
  if (write(told[1], &port, sizeof port) != sizeof port) return 1;
  int status = 0;
  waitpid(child, &status, 0);
  worker.stop();
  collector.stop();
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
