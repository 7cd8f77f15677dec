#include "cluster.hpp"

#include <fmt/format.h>

#include <algorithm>
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
using umbel::testing::our_program;

constexpr seconds kReady{60};
constexpr seconds kCommand{60};

}  // namespace

umbel::testing::RabbitServer& Servers::rabbit() {
  if (!rabbit_) rabbit_ = std::make_unique<umbel::testing::RabbitServer>(rabbit_options_);
  return *rabbit_;
}

umbel::testing::RedisServer& Servers::redis() {
  if (!redis_) redis_ = std::make_unique<umbel::testing::RedisServer>();
  return *redis_;
}

Cluster::Cluster(Servers& servers, ClusterOptions options)
    : servers_{servers},
      options_{std::move(options)},
      vhost_{options_.vhost.empty() ? servers_.rabbit().fresh_vhost() : options_.vhost},
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

std::string Cluster::broker_url() const {
  return (options_.broker ? options_.broker(vhost_) : servers_.rabbit().url(vhost_)) +
         options_.query;
}

Process& Cluster::add(const std::string& name, std::vector<std::string> argv, std::uint16_t port) {
  argv[0] = our_program(argv[0]);
  programs_.push_back(std::make_unique<Process>(name, std::move(argv), dir_.file(name + ".log")));
  ports_[programs_.back().get()] = port;
  programs_.back()->start();
  return *programs_.back();
}

void Cluster::wait_until_ready(Process& program) {
  const auto ready = [&] {
    const auto answer = ask_readiness(program);
    return answer && answer->status == 200;
  };
  if (eventually([&] { return !program.running() || ready(); }, kReady) && program.running()) {
    return;
  }
  throw std::runtime_error{program.name() + " does not get ready\n" + program.end_of_log()};
}

Result<http::ClientResponse> Cluster::ask_readiness(Process& program) {
  http::ClientRequest request;
  request.url = fmt::format("http://127.0.0.1:{}/readyz", ports_.at(&program));
  request.timeout = seconds{5};
  return client_.send(request);
}

std::string Cluster::readiness(Process& program) {
  const auto answer = ask_readiness(program);
  return answer ? answer->body : answer.error().what;
}

Process& Cluster::launch_worker(const std::string& name, const std::vector<std::string>& more) {
  const std::uint16_t port = umbel::testing::free_port();
  const bool whole = name.find('@') != std::string::npos;
  std::vector<std::string> argv{"umbel-worker",
                                "--broker=" + broker_url(),
                                "--store=sqlite:" + dir_.file("umbel.db"),
                                fmt::format("--hostname={}{}", name, whole ? "" : "@umbel"),
                                fmt::format("--metrics-port={}", port),
                                "--touch-dir=" + dir_.path().string()};
  const auto names_queues = [](const std::string& each) { return each.starts_with("--queues="); };
  if (std::ranges::none_of(more, names_queues)) argv.emplace_back("--queues=umbel");
  if (options_.backend == Backend::Redis) argv.push_back("--result-backend=" + backend_url());
  argv.insert(argv.end(), more.begin(), more.end());
  return add(name, std::move(argv), port);
}

Process& Cluster::umbel_worker(const std::string& name, const std::vector<std::string>& more) {
  Process& worker = launch_worker(name, more);
  wait_until_ready(worker);
  return worker;
}

Process& Cluster::launch_collector(const std::vector<std::string>& more) {
  collector_port_ = umbel::testing::free_port();
  std::vector<std::string> argv{"umbel-collector", "--broker=" + broker_url(),
                                "--store=sqlite:" + dir_.file("umbel.db"),
                                fmt::format("--port={}", collector_port_)};
  argv.insert(argv.end(), more.begin(), more.end());
  return add("collector", std::move(argv), collector_port_);
}

Process& Cluster::umbel_collector(const std::vector<std::string>& more) {
  Process& collector = launch_collector(more);
  wait_until_ready(collector);
  return collector;
}

umbel::testing::CommandOutcome Cluster::umbel(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), our_program("umbel"));
  arguments.push_back("--broker=" + broker_url());
  Process command{"umbel", std::move(arguments),
                  dir_.file(fmt::format("umbel-{}.log", ++commands_))};
  command.start();
  return umbel::testing::outcome_of(command, kCommand);
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
