// One virtual host of a RabbitMQ with task messages in a queue, and what is measured of a program
// that takes them.
#pragma once

#include <cstddef>
#include <string>

#include "raw_consumer.hpp"
#include "umbel/base/clock.hpp"
#include "umbel/testing/rabbit_server.hpp"

namespace umbel::bench {

inline constexpr const char* kQueue = "celery";
// Both are tasks of tests/celery/app.py too. What is ignored: the result of the first.
inline constexpr const char* kNoop = "py.noop";
inline constexpr const char* kAdd = "py.add";

struct Measured {
  double rate = 0;             // tasks/s
  double own = 0, server = 0;  // CPU seconds for a task: the program's, and RabbitMQ's
};

class Stand {
 public:
  // Publishes `tasks` of Celery's v2 messages. `task`: kNoop, or kAdd with two numbers.
  Stand(testing::RabbitServer& rabbit, std::size_t tasks, const char* task);

  [[nodiscard]] std::string url() const { return rabbit_.url(vhost_); }
  [[nodiscard]] const std::string& vhost() const { return vhost_; }

  // Of a program that consumes from now on: once `warm` tasks are gone, over the next `counted`.
  // A task counts when its message is acknowledged. Throws if that takes too long.
  [[nodiscard]] Measured measure(pid_t program, std::size_t warm, std::size_t counted);

 private:
  [[nodiscard]] std::size_t left();  // ready or not acknowledged

  testing::RabbitServer& rabbit_;
  const std::string vhost_;
  const std::size_t tasks_;
  SystemClock clock_;
};

}  // namespace umbel::bench
