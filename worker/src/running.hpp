// A worker while it runs: its parts, put together in the order in which work goes through them, and
// the order of the stop.
//
// Built by Worker::start(). Members are destroyed in reverse: first who takes work in, last who
// tells of it.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

#include "chord_counter.hpp"
#include "consumed_queues.hpp"
#include "control/autoscaler.hpp"
#include "control/control_server.hpp"
#include "control/gossip.hpp"
#include "control/mingle.hpp"
#include "control/rate_gate.hpp"
#include "control/revocations.hpp"
#include "control/revoked_file.hpp"
#include "control/worker_controlled.hpp"
#include "event_sender.hpp"
#include "fetcher.hpp"
#include "finisher.hpp"
#include "heartbeat.hpp"
#include "in_flight.hpp"
#include "intake.hpp"
#include "pool.hpp"
#include "returns.hpp"
#include "runner.hpp"
#include "soft_limits.hpp"
#include "time_limits.hpp"
#include "umbel/enqueue/relay.hpp"
#include "worker_impl.hpp"

namespace umbel {

struct Worker::Impl::Running {
  // `consumer` and `inbox` may be null: then they are opened when the broker answers.
  Running(Impl& impl, std::unique_ptr<Consumer> consumer, std::unique_ptr<ControlInbox> inbox);

  void stop();

  [[nodiscard]] std::unique_ptr<RevokedFile> open_revoked_file();
  [[nodiscard]] std::unique_ptr<Mingle> make_mingle();
  [[nodiscard]] std::unique_ptr<Gossip> make_gossip();
  [[nodiscard]] std::unique_ptr<Autoscaler> make_autoscaler();
  void keep_revoked();
  void resized(std::size_t slots) { w.instruments.slots.Set(static_cast<double>(slots)); }
  // What an autoscaler may want must be there to show that it is wanted.
  [[nodiscard]] std::size_t prefetch() const;

  void start(Job job);
  void ended_run(Ended ended);
  void finish(Ended ended);
  void finish_uncounted(Ended ended, const Error& why);
  void give_up(const Overdue& overdue);
  void watch_terminated(std::shared_ptr<RunControl> control);
  // What is interrupted waits for the stop to give it back.
  void keep_for_hand_back(Job job);
  [[nodiscard]] std::vector<Job> take_interrupted();
  [[nodiscard]] WorkerEvent describe(WorkerEventType type) const;

  Impl& w;
  EndedBy by;
  std::mutex mutex;
  std::vector<Job> interrupted;
  InFlight in_flight;
  ConsumedQueues queues{w.queues};
  std::atomic<std::size_t> most_slots{w.options.autoscale ? w.options.autoscale->first : 0};
  LamportClock lamport;
  Revocations revocations;
  std::unique_ptr<RevokedFile> revoked_file;  // null: none; of `control_server`'s thread
  EventSender events;
  Returns returns;
  SoftLimits limits;
  TimeLimits time_limits;
  std::shared_ptr<Callers> callers;
  Runner runner;
  Finisher finisher;
  ChordCounter chord_counter;
  Pool pool;
  RateGate gate;
  Intake intake;
  Relay relay;
  Heartbeat heartbeat;
  std::unique_ptr<Mingle> mingle;  // null: none
  std::unique_ptr<Gossip> gossip;  // null: none
  Fetcher fetcher;
  std::unique_ptr<Autoscaler> autoscaler;  // null: none
  WorkerControlled controlled;
  ControlServer control_server;
};

}  // namespace umbel
