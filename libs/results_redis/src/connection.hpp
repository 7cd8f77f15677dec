// The one connection of an engine: made when it is needed, made anew when it breaks, and given a
// rest while nobody answers.
#pragma once

#include <hiredis/hiredis.h>

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "reply.hpp"
#include "socket.hpp"
#include "umbel/results_redis/redis_url.hpp"

namespace umbel::redis {

// Who may use the connection now: one at a time, and who waits may give up. Not a std::timed_mutex:
// gcc 12's ThreadSanitizer does not see its timed lock.
class Turn {
 public:
  // Nothing: it did not come in time.
  class Taken {
   public:
    explicit Taken(Turn* turn) : turn_{turn} {}
    Taken(Taken&& other) noexcept : turn_{std::exchange(other.turn_, nullptr)} {}
    Taken& operator=(Taken&&) = delete;
    ~Taken() {
      if (turn_ != nullptr) turn_->end();
    }
    explicit operator bool() const { return turn_ != nullptr; }

   private:
    Turn* turn_;
  };

  [[nodiscard]] Taken wait() {
    std::unique_lock lock{mutex_};
    free_.wait(lock, [this] { return !taken_; });
    taken_ = true;
    return Taken{this};
  }
  [[nodiscard]] Taken wait_until(Steady::time_point until) {
    std::unique_lock lock{mutex_};
    if (!free_.wait_until(lock, until, [this] { return !taken_; })) return Taken{nullptr};
    taken_ = true;
    return Taken{this};
  }

 private:
  void end() {
    {
      const std::lock_guard lock{mutex_};
      taken_ = false;
    }
    free_.notify_one();
  }

  std::mutex mutex_;
  std::condition_variable free_;
  bool taken_ = false;
};

// Thread-safe: calls go one after another.
class Connection {
 public:
  explicit Connection(RedisOptions options) : options_{std::move(options)} {}

  // Sends all commands at once; one answer each, in order, those of Kind::Error among them. Errors
  // are of the connection: Unavailable (nothing was sent), TimedOut and OutcomeUnknown (some may
  // have been done). A connection that the other side had closed meanwhile is made anew first, and
  // the commands are sent again: only such as may be done twice.
  [[nodiscard]] Result<std::vector<Reply>> run(std::span<const Command> commands);

  // The next call makes a new connection, and looks up the host's name for it.
  void drop();

  // PING, within a second; while another call is under way, whether the last one had an answer.
  [[nodiscard]] Result<void> ping();

 private:
  struct FreeReader {
    void operator()(redisReader* reader) const { redisReaderFree(reader); }
  };
  [[nodiscard]] Result<std::vector<Reply>> run_alone(std::span<const Command> commands,
                                                     std::chrono::milliseconds timeout);
  [[nodiscard]] Result<void> open(Steady::time_point until);
  [[nodiscard]] Result<void> introduce(Steady::time_point until);
  [[nodiscard]] Result<std::vector<Reply>> exchange(std::span<const Command> commands,
                                                    Steady::time_point until);
  [[nodiscard]] Result<Reply> read_one(Steady::time_point until);
  [[nodiscard]] Error failed(const Error& error);
  void close();

  const RedisOptions options_;
  Turn turn_;  // for all up to last_mutex_
  std::unique_ptr<Socket> socket_;
  std::unique_ptr<redisReader, FreeReader> reader_;
  std::optional<Error> refusal_;       // of the last try to connect
  std::chrono::milliseconds rest_{0};  // after it
  Steady::time_point not_before_{};
  std::mutex last_mutex_;
  std::optional<Error> last_;  // of the last call; nothing: it had its answer
};

}  // namespace umbel::redis
