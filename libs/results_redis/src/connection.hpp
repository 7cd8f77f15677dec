// The one connection of an engine: made when it is needed, made anew when it breaks, and given a
// rest while nobody answers.
#pragma once

#include <hiredis/hiredis.h>

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "reply.hpp"
#include "socket.hpp"
#include "umbel/results_redis/redis_url.hpp"

namespace umbel::redis {

// Thread-safe: calls go one after another.
class Connection {
 public:
  explicit Connection(RedisOptions options) : options_{std::move(options)} {}

  // Sends all commands at once; one answer each, in order, those of Kind::Error among them. Errors
  // are of the connection: Unavailable (nothing was sent), TimedOut and OutcomeUnknown (some may
  // have been done). A connection that the other side had closed meanwhile is made anew first, and
  // the commands are sent again: only such as may be done twice.
  [[nodiscard]] Result<std::vector<Reply>> run(std::span<const Command> commands);

  // PING, within a second; while another call is under way, whether the last one had an answer.
  [[nodiscard]] Result<void> ping();

 private:
  struct FreeReader {
    void operator()(redisReader* reader) const { redisReaderFree(reader); }
  };
  [[nodiscard]] Result<std::vector<Reply>> run_locked(std::span<const Command> commands,
                                                      std::chrono::milliseconds timeout);
  [[nodiscard]] Result<void> open(Steady::time_point until);
  [[nodiscard]] Result<void> introduce(Steady::time_point until);
  [[nodiscard]] Result<std::vector<Reply>> exchange(std::span<const Command> commands,
                                                    Steady::time_point until);
  [[nodiscard]] Result<Reply> read_one(Steady::time_point until);
  [[nodiscard]] Error failed(const Error& error);
  void close();

  const RedisOptions options_;
  std::timed_mutex mutex_;
  std::unique_ptr<Socket> socket_;
  std::unique_ptr<redisReader, FreeReader> reader_;
  std::optional<Error> refusal_;       // of the last try to connect
  std::chrono::milliseconds rest_{0};  // after it
  Steady::time_point not_before_{};
  std::mutex last_mutex_;
  std::optional<Error> last_;  // of the last call; nothing: it had its answer
};

}  // namespace umbel::redis
