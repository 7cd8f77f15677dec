// A mixed cluster that a test owns: RabbitMQ, Redis, Celery workers and Umbel's programs, each
// case in a virtual host of its own.
#pragma once

#include <boost/json.hpp>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "umbel/http/client.hpp"
#include "umbel/testing/celery_app.hpp"
#include "umbel/testing/process.hpp"
#include "umbel/testing/rabbit_server.hpp"
#include "umbel/testing/redis_server.hpp"
#include "umbel/testing/temp_dir.hpp"

namespace umbel::interop {

namespace json = boost::json;
using umbel::testing::Process;

// What all cases of a program share. Starts with the first look.
class Servers {
 public:
  explicit Servers(umbel::testing::RabbitOptions rabbit = {})
      : rabbit_options_{std::move(rabbit)} {}
  [[nodiscard]] umbel::testing::RabbitServer& rabbit();
  [[nodiscard]] umbel::testing::RedisServer& redis();

 private:
  umbel::testing::RabbitOptions rabbit_options_;
  std::unique_ptr<umbel::testing::RabbitServer> rabbit_;
  std::unique_ptr<umbel::testing::RedisServer> redis_;
};

enum class Backend { Redis, Rpc, None };

struct ClusterOptions {
  Backend backend = Backend::Redis;
  std::string query{};     // of the broker's URL, for Umbel: `?max_priority=10`
  std::string settings{};  // JSON: of the Celery application
  std::string vhost{};     // one that is there; empty: a new one
  // Of Umbel's programs, if it is not the server's own: behind a proxy, with another user.
  std::function<std::string(const std::string& vhost)> broker{};
};

// Not thread-safe. What does not come up, or is answered wrongly, throws std::runtime_error with
// what was said.
class Cluster {
 public:
  explicit Cluster(Servers& servers, ClusterOptions options = {});
  ~Cluster();

  // Up and ready when they return; they end with the cluster. The node of a name without a host is
  // <name>@umbel.
  Process& umbel_worker(const std::string& name = "cpp1",
                        const std::vector<std::string>& more = {});
  Process& umbel_collector(const std::vector<std::string>& more = {});
  // The same, but at once, whether they get ready or not.
  Process& launch_worker(const std::string& name = "cpp1",
                         const std::vector<std::string>& more = {});
  Process& launch_collector(const std::vector<std::string>& more = {});
  void wait_until_ready(Process& program);
  // What it says of itself: the body of /readyz, whatever the status.
  std::string readiness(Process& program);
  Process& celery_worker(const umbel::testing::CeleryWorkerOptions& options = {});

  // `umbel <arguments>` with this cluster's broker, to its end.
  umbel::testing::CommandOutcome umbel(std::vector<std::string> arguments);
  [[nodiscard]] umbel::testing::CeleryApp& celery() { return celery_; }
  // The value of Python as tests/celery/asking.py knows it.
  json::value ask(const std::string& python);

  // Of the collector: the JSON of a 200.
  json::value get(const std::string& path);
  json::value post(const std::string& path, const json::value& body);
  // What the collector knows of a task once `holds` is true of it; what it knew last otherwise,
  // null if it did not know it.
  json::value task_once(const std::string& id, const std::function<bool(const json::value&)>& holds,
                        std::chrono::seconds limit = std::chrono::seconds{20});
  json::value task_in_state(const std::string& id, const std::string& state,
                            std::chrono::seconds limit = std::chrono::seconds{20});

  // The lines of a file that tasks wrote (py.mark, and Umbel's touch).
  [[nodiscard]] std::vector<std::string> marks(const std::string& name) const;
  [[nodiscard]] std::string vhost() const { return vhost_; }
  [[nodiscard]] std::string logs() const;  // the end of each program's

 private:
  Process& add(const std::string& name, std::vector<std::string> argv, std::uint16_t port);
  [[nodiscard]] std::string backend_url() const;
  [[nodiscard]] std::string broker_url() const;
  [[nodiscard]] Result<http::ClientResponse> ask_readiness(Process& program);

  Servers& servers_;
  ClusterOptions options_;
  umbel::testing::TempDir dir_;
  std::string vhost_;
  umbel::testing::CeleryApp celery_;
  http::Client client_;
  std::uint16_t collector_port_ = 0;
  int commands_ = 0;
  std::map<const Process*, std::uint16_t> ports_;  // of /readyz
  std::vector<std::unique_ptr<Process>> programs_;
};

// What a JSON value looks like without its values: `{"a": "number", "b": ["text"]}`. Of a list all
// elements' shapes, each once.
[[nodiscard]] json::value shape(const json::value& value);

}  // namespace umbel::interop
