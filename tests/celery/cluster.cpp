#include "cluster.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <stdexcept>

#include "umbel/testing/eventually.hpp"
#include "umbel/testing/free_port.hpp"

namespace umbel::interop {
namespace {

using std::chrono::seconds;
using umbel::testing::CeleryOptions;
using umbel::testing::CeleryWorkerOptions;
using umbel::testing::eventually;

constexpr seconds kReady{60};

std::string program_path(const std::string& name) {
  const char* given = std::getenv("UMBEL_BIN_DIR");
  return std::string{given == nullptr ? UMBEL_BIN_DIR : given} + "/" + name;
}

}  // namespace

umbel::testing::RabbitServer& Servers::rabbit() {
  if (!rabbit_) rabbit_ = std::make_unique<umbel::testing::RabbitServer>();
  return *rabbit_;
}

umbel::testing::RedisServer& Servers::redis() {
  if (!redis_) redis_ = std::make_unique<umbel::testing::RedisServer>();
  return *redis_;
}

Cluster::Cluster(Servers& servers, ClusterOptions options)
    : servers_{servers},
      options_{std::move(options)},
      vhost_{servers_.rabbit().fresh_vhost()},
      celery_{CeleryOptions{.broker = servers_.rabbit().url(vhost_),
                            .backend = backend_url(),
                            .environment = {{"UMBEL_TEST_DIR", dir_.path().string()},
                                            {"UMBEL_TEST_SETTINGS", options_.settings}}}} {}

Cluster::~Cluster() = default;

std::string Cluster::backend_url() const {
  switch (options_.backend) {
    case Backend::Redis:
      return servers_.redis().url();
    case Backend::Rpc:
      return "rpc://";
    case Backend::None:
      break;
  }
  return "";
}

Process& Cluster::add(const std::string& name, std::vector<std::string> argv) {
  argv[0] = program_path(argv[0]);
  programs_.push_back(std::make_unique<Process>(name, std::move(argv), dir_.file(name + ".log")));
  programs_.back()->start();
  return *programs_.back();
}

void Cluster::wait_until_ready(Process& program, std::uint16_t port) {
  const auto ready = [&] {
    http::ClientRequest request;
    request.url = fmt::format("http://127.0.0.1:{}/readyz", port);
    request.timeout = seconds{5};
    const auto answer = client_.send(request);
    return answer && answer->status == 200;
  };
  if (eventually([&] { return !program.running() || ready(); }, kReady) && program.running()) {
    return;
  }
  throw std::runtime_error{program.name() + " does not get ready\n" + program.end_of_log()};
}

Process& Cluster::umbel_worker(const std::string& name, const std::vector<std::string>& more) {
  const std::uint16_t port = umbel::testing::free_port();
  std::vector<std::string> argv{"umbel-worker",
                                "--broker=" + servers_.rabbit().url(vhost_) + options_.query,
                                "--store=sqlite:" + dir_.file("umbel.db"),
                                fmt::format("--hostname={}@umbel", name),
                                fmt::format("--metrics-port={}", port),
                                "--queues=umbel",
                                "--touch-dir=" + dir_.path().string()};
  if (options_.backend == Backend::Redis) argv.push_back("--result-backend=" + backend_url());
  argv.insert(argv.end(), more.begin(), more.end());
  Process& worker = add(name, std::move(argv));
  wait_until_ready(worker, port);
  return worker;
}

Process& Cluster::umbel_collector(const std::vector<std::string>& more) {
  collector_port_ = umbel::testing::free_port();
  std::vector<std::string> argv{
      "umbel-collector", "--broker=" + servers_.rabbit().url(vhost_) + options_.query,
      "--store=sqlite:" + dir_.file("umbel.db"), fmt::format("--port={}", collector_port_)};
  argv.insert(argv.end(), more.begin(), more.end());
  Process& collector = add("collector", std::move(argv));
  wait_until_ready(collector, collector_port_);
  return collector;
}

Process& Cluster::celery_worker(const CeleryWorkerOptions& options) {
  programs_.push_back(celery_.worker(options));
  return *programs_.back();
}

json::value Cluster::ask(const std::string& python) { return json::parse(celery_.ask(python)); }

json::value Cluster::get(const std::string& path) {
  http::ClientRequest request;
  request.url = fmt::format("http://127.0.0.1:{}{}", collector_port_, path);
  request.timeout = seconds{10};
  const auto answer = client_.send(request);
  if (!answer) throw std::runtime_error{path + ": " + answer.error().what};
  if (answer->status != 200) {
    throw std::runtime_error{fmt::format("{}: {} {}", path, answer->status, answer->body)};
  }
  return json::parse(answer->body);
}

json::value Cluster::post(const std::string& path, const json::value& body) {
  http::ClientRequest request;
  request.method = "POST";
  request.url = fmt::format("http://127.0.0.1:{}{}", collector_port_, path);
  request.body = json::serialize(body);
  request.timeout = seconds{20};
  const auto answer = client_.send(request);
  if (!answer) throw std::runtime_error{path + ": " + answer.error().what};
  if (answer->status != 200) {
    throw std::runtime_error{fmt::format("{}: {} {}", path, answer->status, answer->body)};
  }
  return json::parse(answer->body);
}

json::value Cluster::task_once(const std::string& id,
                               const std::function<bool(const json::value&)>& holds,
                               seconds limit) {
  json::value known;
  std::ignore = eventually(
      [&] {
        try {
          known = get("/api/task/info/" + id);
        } catch (const std::runtime_error&) {
          return false;  // 404: not yet
        }
        return holds(known);
      },
      limit);
  return known;
}

json::value Cluster::task_in_state(const std::string& id, const std::string& state, seconds limit) {
  const auto holds = [&](const json::value& task) {
    return task.at("state") == json::string{state};
  };
  return task_once(id, holds, limit);
}

std::vector<std::string> Cluster::marks(const std::string& name) const {
  std::vector<std::string> lines;
  std::ifstream file{dir_.file(name)};
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

std::string Cluster::logs() const {
  std::string all;
  for (const auto& program : programs_) all += program->end_of_log();
  return all;
}

json::value shape(const json::value& value) {
  switch (value.kind()) {
    case json::kind::null:
      return "null";
    case json::kind::bool_:
      return "bool";
    case json::kind::string:
      return "text";
    case json::kind::int64:
    case json::kind::uint64:
    case json::kind::double_:
      return "number";
    case json::kind::array: {
      json::array shapes;
      for (const json::value& each : value.get_array()) {
        const json::value one = shape(each);
        if (std::find(shapes.begin(), shapes.end(), one) == shapes.end()) shapes.push_back(one);
      }
      return shapes;
    }
    case json::kind::object: {
      json::object shapes;
      for (const auto& [key, each] : value.get_object()) shapes[key] = shape(each);
      return shapes;
    }
  }
  return nullptr;
}

}  // namespace umbel::interop
