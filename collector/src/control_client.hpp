// Asks workers by remote control and gathers what they answer, over the broker alone: whoever keeps
// Celery's protocol answers, Umbel's workers and Celery's.
//
// Everybody who asks shares one reply box and the one thread that reads it; an answer finds its
// asker by the ticket. Nothing is asked twice: a worker that did not hear, or answers too late, is
// one that did not answer, and is said so.
#pragma once

#include <atomic>
#include <boost/json.hpp>
#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "umbel/base/clock.hpp"
#include "umbel/base/log.hpp"
#include "umbel/base/result.hpp"
#include "umbel/broker/broker.hpp"
#include "umbel/metrics/metrics.hpp"
#include "umbel/runtime/outage.hpp"

namespace umbel::collector {

struct ControlQuestion {
  std::string method;
  boost::json::object arguments{};
  std::vector<std::string> destination{};  // node names; empty: every node
};

struct ControlAnswers {
  std::map<std::string, boost::json::value> by_node;  // as the nodes gave them
  std::vector<std::string> silent{};  // of the destination, those who did not answer
};

struct ControlOptions {
  std::chrono::milliseconds limit{1000};     // how long an answer is waited for
  std::size_t most_questions = 256;          // that are open at a time
  std::size_t most_nodes = 2000;             // that may answer one question
  std::size_t most_bytes = 2 * 1024 * 1024;  // of one answer
};

// Thread-safe.
class ControlClient {
 public:
  // References outlive it.
  ControlClient(Broker& broker, const Clock& clock, metrics::Metrics& metrics, Log log,
                ControlOptions options = {});
  ~ControlClient();
  void start();
  void stop();  // every question that is open ends

  // Waits until all of the destination have answered, or the limit has passed; without a
  // destination always until then. TimedOut: nobody answered at all. Unavailable: the broker does
  // not answer, too many ask, or it has been stopped; nobody may have heard.
  [[nodiscard]] Result<ControlAnswers> ask(ControlQuestion question);
  // The same for several questions, at the same time: one answer for each, in order.
  [[nodiscard]] std::vector<Result<ControlAnswers>> ask_all(std::vector<ControlQuestion> questions);
  // Without an answer. A value: it was sent, and nobody need have heard.
  [[nodiscard]] Result<void> tell(const ControlQuestion& question);

  [[nodiscard]] std::chrono::milliseconds limit() const { return options_.limit; }

 private:
  struct Open {  // a question whose answers are gathered
    std::set<std::string> awaited;
    bool everybody = false;
    std::map<std::string, boost::json::value> by_node;

    [[nodiscard]] bool complete() const { return !everybody && awaited.empty(); }
  };

  void run(const std::stop_token& stop);
  [[nodiscard]] bool open_box(std::unique_ptr<ReplyBox>& box);
  void take(const Message& message);
  [[nodiscard]] Result<ReplyAddress> address();
  [[nodiscard]] Result<std::string> send(const ControlQuestion& question, const ReplyAddress& to);
  [[nodiscard]] Message request_of(const ControlQuestion& question, const std::string& ticket,
                                   const std::optional<ReplyAddress>& to);
  [[nodiscard]] Result<ControlAnswers> answers_of(const ControlQuestion& question,
                                                  const std::string& ticket);
  void count(const char* outcome);

  Broker& broker_;
  metrics::Metrics& metrics_;
  Log log_;
  const ControlOptions options_;
  std::atomic<std::int64_t> lamport_{0};
  Outage outage_;

  std::mutex mutex_;  // of the four below
  std::condition_variable_any changed_;
  std::optional<ReplyAddress> address_;
  std::map<std::string, Open> open_;  // by ticket
  bool stopped_ = false;
  std::jthread thread_;
};

}  // namespace umbel::collector
