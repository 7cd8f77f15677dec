#include "rabbitmq_stand.hpp"

#include <algorithm>
#include <chrono>
#include <functional>
#include <stdexcept>
#include <thread>
#include <vector>

#include "process_cpu.hpp"
#include "processes.hpp"
#include "umbel/base/ids.hpp"
#include "umbel/broker_rabbitmq/rabbitmq_broker.hpp"
#include "umbel/celery/task_message.hpp"

namespace umbel::bench {
namespace {

using std::chrono::milliseconds;

constexpr std::chrono::seconds kLongest{120};  // a run that takes longer is broken
constexpr std::size_t kPublishedTogether = 500;

void wait(const char* what, const std::function<bool()>& done) {
  const auto begin = Steady::now();
  while (!done()) {
    if (Steady::now() - begin > kLongest)
      throw std::runtime_error{std::string{what} + " never came"};
    std::this_thread::sleep_for(milliseconds{5});
  }
}

}  // namespace

Stand::Stand(testing::RabbitServer& rabbit, std::size_t tasks, const char* task)
    : rabbit_{rabbit}, vhost_{rabbit.fresh_vhost()}, tasks_{tasks} {
  const auto broker = open_rabbitmq_broker({.url = parse_amqp_url(url()).value()}, clock_,
                                           Log{"bench", LogLevel::Warn});
  for (std::size_t done = 0; done < tasks;) {
    std::vector<OutgoingMessage> batch(std::min(kPublishedTogether, tasks - done));
    for (auto& outgoing : batch) {
      celery::TaskMessage message;
      message.task = task;
      if (message.task == kAdd) message.args = {2, 3};
      message.id = TaskId{random_uuid()};
      message.root_id = message.id.str();
      message.origin = "gen1@bench";
      outgoing.queue = QueueName{kQueue};
      outgoing.message = celery::encode_task(message);
    }
    broker->publish(batch).value();
    done += batch.size();
  }
}

std::size_t Stand::left() {
  for (const auto& queue : rabbit_.queues(vhost_)) {
    if (queue.name == kQueue) return queue.ready + queue.unacked;
  }
  throw std::runtime_error{"the queue is gone"};
}

Measured Stand::measure(pid_t program, std::size_t warm, std::size_t counted) {
  QueueGauge gauge{{.port = rabbit_.port(),
                    .vhost = vhost_,
                    .user = testing::RabbitServer::kUser,
                    .password = testing::RabbitServer::kPassword,
                    .queue = kQueue}};
  wait("the first messages", [&] { return gauge.ready() + warm <= tasks_; });
  const auto begin = Steady::now();
  const auto before = left();
  const double own = cpu_of(program), server = cpu_of(rabbit_.pid());
  wait("the last messages",
       [&] { return gauge.ready() + counted <= before || gauge.ready() == 0; });
  const double took = seconds_since(begin);
  const auto done = static_cast<double>(before - left());
  return {.rate = done / took,
          .own = (cpu_of(program) - own) / done,
          .server = (cpu_of(rabbit_.pid()) - server) / done};
}

}  // namespace umbel::bench
