// Tasks accepted over HTTP, durably: a collector of its own in this process (the real one, over the
// embedded engines), and keep-alive connections from a client process that post one task after
// another.
//
//   http_accept_bench [CONNECTIONS=64] [SECONDS=10] [drain | empty]
//
// `drain`: a worker beside it runs what is accepted. `empty`: no collector, but a server of ours
// whose handler does nothing: what client, sockets and HTTP alone allow. The client is one thread
// that has a request under way on each connection. Prints accepted tasks a second and the times of
// the answers, and fails if an accepted id has no status.
#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <iostream>
#include <memory>
#include <optional>
#include <vector>

#include "http_client.hpp"
#include "umbel/broker_sqlite/sqlite_broker.hpp"
#include "umbel/collector/collector.hpp"
#include "umbel/engines/engines.hpp"
#include "umbel/http/server.hpp"
#include "umbel/store_sqlite/sqlite_store.hpp"
#include "umbel/testing/temp_dir.hpp"
#include "umbel/worker/worker.hpp"

namespace {

using Steady = std::chrono::steady_clock;

struct Client {
  int descriptor = -1;
  Steady::time_point begin{};
  std::string rest{};
  std::vector<double> milliseconds{};
  std::string last_id{};
};

std::string request_text() {
  const std::string body = R"({"kwargs": {}})";
  return "POST /api/task/async-apply/noop HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
         "application/json\r\nContent-Length: " +
         std::to_string(body.size()) + "\r\n\r\n" + body;
}

// The end of a whole response at the front of `text`, or nothing.
std::optional<std::size_t> end_of_response(const std::string& text) {
  const auto head = text.find("\r\n\r\n");
  if (head == std::string::npos) return std::nullopt;
  const auto length = text.find("Content-Length: ");
  const std::size_t body =
      length < head ? std::strtoul(text.c_str() + length + 16, nullptr, 10) : 0;
  const std::size_t end = head + 4 + body;
  return text.size() >= end ? std::optional{end} : std::nullopt;
}

// One request at a time on each connection, all of them from this thread.
void post_until(std::uint16_t port, Steady::time_point end, std::vector<Client>& clients) {
  const std::string request = request_text();
  const int events = epoll_create1(EPOLL_CLOEXEC);
  const auto post = [&](Client& client) {
    client.begin = Steady::now();
    umbel::bench::send_all(client.descriptor, request);
  };
  for (auto& client : clients) {
    client.descriptor = umbel::bench::connect_to(port);
    epoll_event wanted{};
    wanted.events = EPOLLIN;
    wanted.data.ptr = &client;
    epoll_ctl(events, EPOLL_CTL_ADD, client.descriptor, &wanted);
    post(client);
  }
  std::size_t under_way = clients.size();
  std::array<epoll_event, 64> ready{};
  std::array<char, 16 * 1024> bytes{};
  while (under_way > 0) {
    const int count = epoll_wait(events, ready.data(), static_cast<int>(ready.size()), 20'000);
    if (count <= 0) throw std::runtime_error{"no answer in 20 s"};
    for (int i = 0; i < count; ++i) {
      auto& client = *static_cast<Client*>(ready[static_cast<std::size_t>(i)].data.ptr);
      const ssize_t got = recv(client.descriptor, bytes.data(), bytes.size(), 0);
      if (got <= 0) throw std::runtime_error{"the server closed the connection"};
      client.rest.append(bytes.data(), static_cast<std::size_t>(got));
      const auto whole = end_of_response(client.rest);
      if (!whole) continue;
      if (!client.rest.starts_with("HTTP/1.1 200 ")) throw std::runtime_error{client.rest};
      const auto now = Steady::now();
      client.milliseconds.push_back(
          std::chrono::duration<double, std::milli>(now - client.begin).count());
      const auto id = client.rest.find("\"task-id\": \"");
      if (id != std::string::npos) {
        client.last_id = client.rest.substr(id + 12, client.rest.find('"', id + 12) - id - 12);
      }
      client.rest.erase(0, *whole);
      if (now < end) {
        post(client);
      } else {
        --under_way;
      }
    }
  }
  for (const auto& client : clients) close(client.descriptor);
  close(events);
}

int run_clients(std::uint16_t port, std::size_t connections, int seconds, const char* what) {
  std::vector<Client> clients(connections);
  const auto begin = Steady::now();
  post_until(port, begin + std::chrono::seconds{seconds}, clients);
  const double passed = std::chrono::duration<double>(Steady::now() - begin).count();
  std::vector<double> all;
  for (const auto& client : clients) {
    all.insert(all.end(), client.milliseconds.begin(), client.milliseconds.end());
    if (client.last_id.empty()) continue;  // an empty handler gives none
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

// Tells the client where to go, and waits for its end.
int wait_for(pid_t child, int tell, std::uint16_t port) {
  if (write(tell, &port, sizeof port) != sizeof port) return 1;
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int serve_nothing(int tell, pid_t child) {
  umbel::http::Router router;
  router.add("POST", "/api/task/async-apply/<name>",
             [](const umbel::http::Request&) { return umbel::http::json_response("{}"); });
  umbel::http::ServerOptions options;
  options.port = 0;
  umbel::http::Server server{options, std::move(router), {}, umbel::Log::none()};
  if (const auto started = server.start(); !started) {
    throw std::runtime_error{started.error().what};
  }
  return wait_for(child, tell, server.port());
}

}  // namespace

int main(int argc, char** argv) {
  const std::size_t connections = argc > 1 ? std::stoul(argv[1]) : 64;
  const int seconds = argc > 2 ? std::stoi(argv[2]) : 10;
  const std::string mode = argc > 3 ? argv[3] : "";
  const bool drain = mode == "drain";
  // The client is a process of its own, forked while there is one thread; it is told the port.
  int told[2];
  if (pipe(told) != 0) return 1;
  const pid_t child = fork();
  if (child == 0) {
    close(told[1]);  // so that it ends with its parent
    std::uint16_t port = 0;
    if (read(told[0], &port, sizeof port) != sizeof port) _exit(1);
    int status = 1;
    try {
      status = run_clients(port, connections, seconds,
                           drain             ? ", a worker drains"
                           : mode == "empty" ? ", an empty handler"
                                             : "");
    } catch (const std::exception& failed) {
      std::cerr << failed.what() << "\n";
    }
    std::cout.flush();
    _exit(status);
  }
  if (mode == "empty") return serve_nothing(told[1], child);

  const umbel::testing::TempDir dir;
  const umbel::SystemClock clock;
  const umbel::Log log{"bench", umbel::LogLevel::Warn};
  const std::string store_url = "sqlite:" + dir.file("store.db");
  const auto broker = umbel::open_broker("sqlite:" + dir.file("broker.db"), clock, log).value();
  const auto store = umbel::open_store(store_url, clock, log).value();
  const auto history = umbel::open_history(store_url, clock, log).value();
  umbel::metrics::Metrics metrics{"collector"}, worker_metrics{"worker"};
  umbel::Enqueuer enqueuer{*store, *broker, clock, log, "gen1@bench"};
  enqueuer.publish_behind();
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
  const int status = wait_for(child, told[1], collector.port());
  worker.stop();
  collector.stop();
  return status;
}
