// The kill matrix over RabbitMQ: our programs and the server itself are killed under load, its
// connections are closed, and nothing is lost.
#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>

#include "kill_matrix.hpp"
#include "umbel/testing/rabbit_server.hpp"

namespace umbel::e2e {
namespace {

using umbel::testing::RabbitQueue;
using umbel::testing::RabbitServer;

class RabbitKillMatrix : public KillMatrix {
 protected:
  void SetUp() override {
    const auto vhost = rabbit_.fresh_vhost();
    LineOptions options;
    options.tasks_per_second = sanitized() ? 30 : 100;
    options.broker_url = rabbit_.url(vhost);
    options.broker_idle = [this, vhost] { return idle(vhost); };
    start(std::move(options));
  }
  void TearDown() override {
    KillMatrix::TearDown();
    if (HasFailure()) std::cout << rabbit_.end_of_log() << std::endl;
  }

  // Events and remote control are the collector's to read, in its own time.
  [[nodiscard]] bool idle(const std::string& vhost) {
    const auto queues = rabbit_.queues(vhost);
    return std::ranges::all_of(queues, [](const RabbitQueue& queue) {
      return queue.ready + queue.unacked == 0 || queue.name.starts_with("umbel.events.") ||
             queue.name.starts_with("celeryev.") || queue.name.ends_with(".celery.pidbox");
    });
  }

  void attack(const std::string& name) override {
    if (name == "connections") {
      rabbit_.close_connections();
    } else if (name == "rabbitmq") {
      rabbit_.kill();
      any_time(300);
      rabbit_.start();
    } else {
      KillMatrix::attack(name);
    }
  }

  RabbitServer rabbit_;
};

TEST_F(RabbitKillMatrix, LosesNothing) {
  auto names = line_->names();
  names.insert(names.end(), {"rabbitmq", "connections"});
  auto rows = kill_all({{"worker", {"worker-1", "worker-2"}},
                        {"scheduler", {"scheduler"}},
                        {"collector", {"collector"}},
                        {"rabbitmq", {"rabbitmq"}},
                        {"connections", {"connections"}}},
                       names);
  conclude(rows, kMost);  // a server that starts takes its own time
}

}  // namespace
}  // namespace umbel::e2e
