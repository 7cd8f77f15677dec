// A worker as seen over remote control alone: it answers what it is told to answer, in Celery's
// words, and keeps what it was asked.
#pragma once

#include <boost/json.hpp>
#include <functional>
#include <map>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "umbel/broker/broker.hpp"
#include "umbel/celery/control.hpp"

namespace umbel::collector {

class FakeWorker {
 public:
  using Value = boost::json::value;
  using Answer = std::function<std::optional<Value>(const boost::json::object& arguments)>;

  FakeWorker(Broker& broker, std::string node) : broker_{broker}, node_{std::move(node)} {
    auto inbox = broker_.control_inbox(node_);
    if (!inbox) throw std::runtime_error{inbox.error().what};
    inbox_ = std::move(*inbox);
    thread_ = std::jthread{[this](const std::stop_token& stop) { serve(stop); }};
  }

  // Nothing: it does not answer this method.
  void answers(const std::string& method, Answer answer) {
    const std::lock_guard lock{mutex_};
    answers_[method] = std::move(answer);
  }
  void answers(const std::string& method, Value value) {
    answers(method, [value = std::move(value)](const boost::json::object&) {
      return std::optional{value};
    });
  }
  // A worker of Celery's 5.2 with a pool of this size that holds these active tasks.
  void is_celery(std::int64_t slots, boost::json::array active = {}) {
    namespace json = boost::json;
    json::array processes;
    for (std::int64_t n = 0; n < slots; ++n) processes.emplace_back(4712 + n);
    answers("stats",
            json::object{{"total", json::object{{"proj.add", 3}}},
                         {"pid", 4711},
                         {"clock", "12"},
                         {"uptime", 60},
                         {"pool", json::object{{"max-concurrency", slots},
                                               {"processes", std::move(processes)},
                                               {"writes", json::object{{"strategy", "fair"}}}}},
                         {"broker", json::object{{"transport", "amqp"},
                                                 {"hostname", "127.0.0.1"},
                                                 {"alternates", json::array{"amqp://u:secret@b"}}}},
                         {"prefetch_count", slots * 4},
                         {"rusage", json::object{{"utime", 0.5}, {"maxrss", 47556}}}});
    answers("active_queues",
            json::array{
                json::object{{"name", "celery"}, {"routing_key", "celery"}, {"durable", true}}});
    answers("registered", json::array{"proj.add", "proj.sleep [rate_limit=10/m]"});
    answers("conf", json::object{{"broker_url", "amqp://guest:********@127.0.0.1:5672//"}});
    answers("active", std::move(active));
    answers("reserved", json::array{});
    answers("scheduled", json::array{});
    answers("revoked", json::array{"gone"});
    answers("query_task", json::object{});
    for (const char* method : {"pool_grow", "pool_shrink"})
      answers(method, json::object{{"ok", std::string{"pool will "} + (method + 5)}});
    answers("pool_restart", json::object{{"error", "ValueError('Pool restarts not enabled')"}});
    answers("rate_limit", json::object{{"ok", "new rate limit set successfully"}});
    answers("time_limit", json::object{{"ok", "time limits set successfully"}});
    answers("add_consumer", json::object{{"ok", "add consumer mail"}});
    answers("cancel_consumer", json::object{{"ok", "no longer consuming from mail"}});
    answers("autoscale", json::object{{"error", "ValueError('Autoscale not enabled')"}});
    answers("revoke", json::object{{"ok", "tasks flagged as revoked"}});
  }

  struct Asked {
    std::string method;
    boost::json::object arguments;
    std::vector<std::string> destination;
  };
  std::vector<Asked> asked(const std::string& method) {
    const std::lock_guard lock{mutex_};
    std::vector<Asked> found;
    for (const Asked& each : asked_) {
      if (each.method == method) found.push_back(each);
    }
    return found;
  }

 private:
  void serve(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      const auto messages = inbox_->next(100, std::chrono::milliseconds{100}, stop);
      if (!messages) continue;
      for (const Message& message : *messages) {
        if (const auto request = celery::decode_control_request(message)) take(*request);
      }
    }
  }
  void take(const celery::ControlRequest& request) {
    const auto& to = request.destination;
    if (!to.empty() && std::find(to.begin(), to.end(), node_) == to.end()) return;
    Answer answer;
    {
      const std::lock_guard lock{mutex_};
      asked_.push_back({request.method, request.arguments, request.destination});
      if (const auto found = answers_.find(request.method); found != answers_.end())
        answer = found->second;
    }
    if (!answer || !request.reply_to) return;
    auto value = answer(request.arguments);
    if (!value) return;
    const celery::ControlReply reply{
        .node = node_, .value = std::move(*value), .ticket = request.ticket, .clock = 1};
    (void)broker_.reply({request.reply_to->exchange, request.reply_to->routing_key},
                        celery::encode_control_reply(reply));
  }

  Broker& broker_;
  const std::string node_;
  std::unique_ptr<ControlInbox> inbox_;
  std::mutex mutex_;
  std::map<std::string, Answer> answers_;
  std::vector<Asked> asked_;
  std::jthread thread_;
};

}  // namespace umbel::collector
