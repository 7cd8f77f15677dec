// The channel of one subscriber of the event stream: a durable queue under its name, bound to
// everything, acknowledged when what was read is committed.
//
// Numbers are given here, on from where the subscriber says it stands. What was handed out and not
// committed comes again after a loss of the connection; as long as this process lives it is known
// by its bytes and order, and not handed out twice.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "topology.hpp"
#include "umbel/broker/broker.hpp"

namespace umbel::broker_rabbitmq {

class Follower final : public ChannelUser, public std::enable_shared_from_this<Follower> {
 public:
  [[nodiscard]] static std::string queue_of(const std::string& name) {
    return "umbel.events." + name;
  }
  // `max_bytes`: of the queue; beyond it the oldest go.
  Follower(std::string name, EventOffset after, std::uint64_t max_bytes);

  [[nodiscard]] Result<std::vector<EventBatch>> next(
      std::size_t max, std::chrono::milliseconds limit, const std::stop_token& stop,
      const std::function<std::optional<Error>()>& outage);
  // Invalid: it was not handed out. Afterwards acknowledge() is due on the link's thread.
  [[nodiscard]] Result<void> commit(EventOffset offset);
  [[nodiscard]] EventStreamFigures figures(std::uint64_t in_queue) const;
  [[nodiscard]] const std::string& queue() const { return queue_; }

  void acknowledge(Session& session);

  // From time to time the queue is to be looked at; whether it is time now.
  [[nodiscard]] bool wants_a_look(Steady::time_point now);
  // So many batches wait on the server, and are read next: if they turn out to fill the queue, the
  // server may have cut some off before them.
  void looked(std::uint64_t ready);

  Result<void> up(Session& session, amqp_channel_t channel) override;
  void down(const Error& error) override;
  void method(Session& session, amqp_channel_t channel, const amqp_method_t& method) override;
  void content(Session& session, Content&& content) override;
  void content_over() override { changed_.notify_all(); }
  void closing(Session& session, amqp_channel_t channel) override;
  [[nodiscard]] bool full() const override;

 private:
  struct Given {  // numbered; of these the first are handed out
    EventBatch batch;
    std::size_t bytes = 0;
    std::size_t hash = 0;
    std::uint64_t tag = 0;  // 0: of a connection that is gone
  };

  struct Done {  // committed; the server may not have heard of it
    std::size_t hash = 0;
    std::size_t bytes = 0;
  };

  struct Look {
    std::uint64_t last = 0;   // of what waited, as a number of what is read over this connection
    std::uint64_t bytes = 0;  // read before it
    std::optional<WallTime> before, behind;  // published: its neighbours
  };

  void note_read(std::size_t bytes, WallTime published, bool again);
  [[nodiscard]] bool seen_before(std::size_t hash, std::size_t bytes, std::uint64_t tag);
  [[nodiscard]] bool was_done(std::size_t hash, std::size_t bytes, std::uint64_t tag);
  [[nodiscard]] bool was_given(std::size_t hash, std::size_t bytes, std::uint64_t tag);
  [[nodiscard]] Result<void> consume(Session& session);

  const std::string queue_;
  const std::uint64_t max_bytes_;

  // Of the link's thread.
  std::optional<amqp_channel_t> channel_;
  std::uint64_t consumers_made_ = 0;
  std::string consumer_tag_;  // empty: does not consume now

  std::atomic<std::size_t> waiting_bytes_ = 0;  // not handed out
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  EventOffset committed_, last_;
  std::deque<Given> given_;     // not committed, oldest first
  std::size_t handed_out_ = 0;  // of given_
  std::deque<Done> done_;       // the last ones
  // Of a new connection, until the first message that was not seen before: how many of done_ and
  // of given_ may still come again.
  std::size_t done_again_ = 0, given_again_ = 0;
  std::uint64_t ack_due_ = 0;                // tag
  std::uint64_t read_ = 0, read_bytes_ = 0;  // over this connection
  std::optional<WallTime> last_read_;        // published
  std::deque<Look> looks_;
  Steady::time_point next_look_{};
  std::optional<PerhapsCut> perhaps_cut_;  // to be told with the next batch
  bool is_up_ = false;
  std::optional<Error> error_;
};

}  // namespace umbel::broker_rabbitmq
