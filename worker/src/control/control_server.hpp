// Serves remote control: takes what is asked of this node from the broker's control channel, has it
// answered, sends the reply.
//
// Whatever a request holds, the next one is served: what cannot be read is a line in the log, what
// cannot be done an error in the reply.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "commands.hpp"
#include "lamport_clock.hpp"
#include "umbel/broker/broker.hpp"
#include "umbel/celery/control.hpp"
#include "umbel/metrics/metrics.hpp"
#include "umbel/runtime/outage.hpp"

namespace umbel {

// Thread-safe. References outlive it.
class ControlServer {
 public:
  struct Parts {
    Broker& broker;
    Controlled& worker;
    LamportClock& clock;  // of the worker
    metrics::Metrics& metrics;
    const Clock& time;
    std::function<void()> idle;  // called from the server's thread now and then, and at the end
  };
  // `inbox` may be null: then it is opened as soon as the broker answers.
  ControlServer(Parts parts, std::unique_ptr<ControlInbox> inbox, Log log);
  // Answers nothing any more once this returns.
  void close();

 private:
  void run(const std::stop_token& stop);
  void serve(const std::stop_token& stop);
  void handle(const Message& message);
  void handle(const celery::ControlRequest& request);
  void reply(const celery::ControlRequest& request, boost::json::value value);
  void count(const std::string& method, const char* result);
  void tell(const celery::ControlRequest& request, const Answer& answer) const;

  Parts parts_;
  Log log_;
  Outage outage_;
  Commands commands_;
  LamportClock mailbox_;  // of the channel, which is another clock than the worker's
  std::unique_ptr<ControlInbox> inbox_;
  std::jthread thread_;
};

}  // namespace umbel
