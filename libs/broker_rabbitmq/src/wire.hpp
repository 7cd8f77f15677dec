// One connection to one server, as bytes and frames: the only place that calls librabbitmq's
// functions with a connection. Not thread-safe, save shut().
#pragma once

#include <amqp.h>
#include <amqp_framing.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "envelope.hpp"
#include "umbel/base/clock.hpp"
#include "umbel/base/result.hpp"
#include "umbel/broker_rabbitmq/amqp_url.hpp"

namespace umbel::broker_rabbitmq {

// Ends what a thread waits for in connect or send, from another thread. It holds a descriptor of
// its own: the library closes the other one when it likes, and its number is soon somebody else's.
class Shutter {
 public:
  Shutter() = default;
  ~Shutter() { closed(); }
  Shutter(const Shutter&) = delete;
  Shutter& operator=(const Shutter&) = delete;

  void open(int fd);
  void closed();
  void shut();  // also what is opened later
  [[nodiscard]] bool is_shut() const { return shut_; }

 private:
  std::mutex mutex_;
  int fd_ = -1;
  std::atomic<bool> shut_ = false;
};

class Wire {
 public:
  // Connected, logged in, virtual host opened. Unavailable says why not. `name` is shown by the
  // management interface. Takes at most about 10 s; `wake_fd` readable and `shutter` shut end it.
  [[nodiscard]] static Result<std::unique_ptr<Wire>> open(const AmqpUrl& url, const AmqpHost& host,
                                                          const std::string& name,
                                                          Shutter& shutter);
  ~Wire();
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;

  [[nodiscard]] int fd() const { return fd_; }

  // Any error: the connection is of no use any more.
  [[nodiscard]] Result<void> send(amqp_channel_t channel, amqp_method_number_t id, void* method);
  [[nodiscard]] Result<void> publish(amqp_channel_t channel, const Outgoing& message);
  // The next frame if one is there. What it points at lives until release() of its channel.
  [[nodiscard]] Result<std::optional<amqp_frame_t>> read();
  void release(amqp_channel_t channel);
  // Whether there may be frames that no look at the descriptor tells of: the library has read them,
  // or TLS has.
  [[nodiscard]] bool holds_more() const;
  // To be called at least every half second: sends a heartbeat if nothing was sent for half of the
  // agreed time. The library's own come only while it reads, and a connection that has brought more
  // than there is room for is not read.
  [[nodiscard]] Result<void> beat();

  // While corked, what is sent waits to leave in one piece.
  void cork(bool on) const;
  // Says goodbye to a server that answers; waits for it at most a second.
  void goodbye();

 private:
  Wire(Shutter& shutter, bool tls);

  amqp_connection_state_t state_;
  Shutter& shutter_;
  const bool tls_;
  int fd_ = -1;
  std::chrono::milliseconds beat_every_{0};  // 0: no heartbeats were agreed on
  bool spoke_ = false;                       // since the last look
  Steady::time_point spoke_at_ = Steady::now();
};

// What the library's and the server's refusals mean, in our words.
[[nodiscard]] Error library_error(const std::string& what, int status);
[[nodiscard]] Error server_error(const std::string& what, int code, std::string_view text);

}  // namespace umbel::broker_rabbitmq
