// Keeps this worker's logical time up with the others' (Celery's gossip): what any of them says of
// itself, every two seconds, tells its time.
//
// Where the broker passes workers' events on by themselves it costs one small message for each
// heartbeat of another worker. Over other brokers there is none of it, and the clock follows the
// others' at the start alone (mingle).
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <thread>

#include "lamport_clock.hpp"
#include "umbel/base/log.hpp"
#include "umbel/broker/broker.hpp"
#include "umbel/runtime/outage.hpp"

namespace umbel {

// What `body`, one event or a list of them, tells of the time of workers other than `node`. Votes
// in elections do not: ours are beyond all times on purpose.
void follow_clocks(std::string_view body, std::string_view node, LamportClock& clock);

// Listens on a thread of its own until it is destroyed. References outlive it.
class Gossip {
 public:
  Gossip(Broker& broker, std::string node, LamportClock& lamport, const Clock& time, Log log);

 private:
  void run(const std::stop_token& stop);
  // False: this broker has nothing to listen to.
  [[nodiscard]] bool listen(const std::stop_token& stop);

  Broker& broker_;
  const std::string node_;
  LamportClock& lamport_;
  Log log_;
  Outage outage_;
  std::unique_ptr<WorkerEvents> events_;  // null: not open
  std::jthread thread_;
};

}  // namespace umbel
