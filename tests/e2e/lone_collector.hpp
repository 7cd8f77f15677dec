// One real umbel-collector alone, fed through the embedded broker as workers would: for tests of
// what many names, many tasks and many pages cost it.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <chrono>
#include <cstdint>
#include <fstream>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "umbel/base/clock.hpp"
#include "umbel/base/log.hpp"
#include "umbel/broker/broker.hpp"
#include "umbel/celery/events.hpp"
#include "umbel/engines/engines.hpp"
#include "umbel/http/client.hpp"
#include "umbel/testing/eventually.hpp"
#include "umbel/testing/free_port.hpp"
#include "umbel/testing/process.hpp"
#include "umbel/testing/temp_dir.hpp"

namespace umbel::e2e {

// Not thread-safe. Ready when made; throws if it does not come up.
class LoneCollector {
 public:
  explicit LoneCollector(const std::vector<std::string>& flags = {}) {
    std::vector<std::string> argv{
        umbel::testing::our_program("umbel-collector"), "--broker=" + broker_url_,
        "--store=sqlite:" + dir_.file("umbel.db"), fmt::format("--port={}", port_)};
    argv.insert(argv.end(), flags.begin(), flags.end());
    program_ =
        std::make_unique<umbel::testing::Process>("collector", argv, dir_.file("collector.log"));
    program_->start();
    broker_ = open_broker(broker_url_, clock_, Log::none()).value();
    if (!umbel::testing::eventually([&] { return get("/readyz").has_value(); },
                                    std::chrono::seconds{60})) {
      throw std::runtime_error{"the collector is not ready: " + program_->log()};
    }
  }

  void publish(const std::vector<Event>& events) const {
    broker_->publish_events(celery::encode_events(events), {}).value();
  }
  void declare(std::span<const QueueName> queues) const { broker_->declare(queues).value(); }
  [[nodiscard]] WallTime now() const { return clock_.wall(); }
  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] umbel::testing::Process& program() { return *program_; }

  // The body of a 200; nothing: no answer, or another one.
  [[nodiscard]] std::optional<std::string> get(const std::string& path) {
    http::ClientRequest request;
    request.url = fmt::format("http://127.0.0.1:{}{}", port_, path);
    request.timeout = std::chrono::seconds{20};
    auto answer = client_.send(request);
    if (!answer || answer->status != 200) return std::nullopt;
    return std::move(answer->body);
  }
  [[nodiscard]] std::uint64_t total(const std::string& what) {
    const auto text = get("/api/overview");
    return text ? boost::json::parse(*text).at("totals").at(what).to_number<std::uint64_t>() : 0;
  }
  // The sum over all series of a family on its /metrics.
  [[nodiscard]] double metric(std::string_view family) {
    const std::string text = get("/metrics").value_or("");
    double sum = 0;
    for (std::size_t at = 0; (at = text.find(family, at)) != std::string::npos; ++at) {
      if (at > 0 && text[at - 1] != '\n') continue;
      const auto next = text[at + family.size()];
      if (next != ' ' && next != '{') continue;
      const auto end = text.find('\n', at);
      const auto value = text.rfind(' ', end);
      sum += std::stod(text.substr(value + 1, end - value - 1));
    }
    return sum;
  }
  // Bytes of memory of its own: without files and code, which others share.
  [[nodiscard]] std::int64_t memory() const {
    std::ifstream status{fmt::format("/proc/{}/status", program_->pid())};
    for (std::string line; std::getline(status, line);) {
      if (line.starts_with("RssAnon:")) return std::stoll(line.substr(8)) * 1024;
    }
    return -1;
  }

 private:
  umbel::testing::TempDir dir_;
  SystemClock clock_;
  std::string broker_url_ = "sqlite:" + dir_.file("umbel-broker.db");
  std::uint16_t port_ = umbel::testing::free_port();
  std::unique_ptr<umbel::testing::Process> program_;
  std::unique_ptr<Broker> broker_;
  http::Client client_;
};

[[nodiscard]] inline Event task_event(TaskEventType type, const std::string& id,
                                      const std::string& worker, WallTime at) {
  TaskEvent event;
  event.type = type;
  event.uuid = TaskId{id};
  event.origin.hostname = worker;
  event.origin.timestamp = at;
  return event;
}

[[nodiscard]] inline Event heartbeat(const std::string& worker, WallTime at,
                                     std::uint64_t processed) {
  WorkerEvent event;
  event.type = WorkerEventType::Heartbeat;
  event.origin.hostname = worker;
  event.origin.timestamp = at;
  event.processed = processed;
  event.freq = 2.0;
  return event;
}

}  // namespace umbel::e2e
