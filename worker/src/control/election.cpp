#include "election.hpp"

#include <unistd.h>

#include <utility>

#include "peers.hpp"
#include "umbel/celery/json.hpp"

namespace umbel {

namespace json = boost::json;

Election::Election(Broker& broker, std::string node, const Clock& time, LamportClock& clock,
                   Log log)
    : broker_{broker},
      node_{std::move(node)},
      time_{time},
      clock_{clock},
      log_{std::move(log)},
      thread_{[this](const std::stop_token& stop) { run(stop); }} {}

void Election::stand(json::object vote) {
  const std::lock_guard lock{mutex_};
  if (waiting_.size() >= kMostWaiting) return;
  waiting_.push_back(std::move(vote));
  waiting_changed_.notify_one();
}

void Election::run(const std::stop_token& stop) {
  std::unique_lock lock{mutex_};
  while (waiting_changed_.wait(lock, stop, [this] { return !waiting_.empty(); })) {
    auto next = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    vote(std::move(next), stop);
    lock.lock();
  }
}

void Election::vote(json::object event, const std::stop_token& stop) {
  const auto asked = ask_peers(broker_, {node_, "clock", {}, kPatience}, stop,
                               [this](const auto&, const auto& answer) {
                                 const auto* const clock = answer.if_contains("clock");
                                 if (clock != nullptr && clock->is_int64())
                                   (void)clock_.adjust(clock->get_int64());
                               });
  if (stop.stop_requested()) return;
  event["type"] = "worker-elect";
  event["hostname"] = node_;
  event["timestamp"] = to_unix_seconds(time_.wall());
  event["pid"] = getpid();
  event["clock"] = clock_.adjust(clock_.value() + kBehind);
  event["cver"] = 1;
  const auto told =
      asked ? broker_.publish_events(celery::to_json(event), {.key = "worker.elect", .node = node_})
            : asked;
  if (!told) log_.warn("no vote in an election", {{"reason", told.error().what}});
}

}  // namespace umbel
