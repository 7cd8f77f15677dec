// The channel of one reader of remote control, or of workers' events: a queue of its own that lives
// as long as it does, bound to one exchange, read without acknowledging, bounded here.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "topology.hpp"
#include "umbel/model/message.hpp"

namespace umbel::broker_rabbitmq {

class Mailbox final : public ChannelUser, public std::enable_shared_from_this<Mailbox> {
 public:
  // How long what nobody reads is kept, and whether the exchange is durable: as Celery has it.
  struct Kind {
    bool durable_exchange = false;
    std::int32_t time_to_live = 300'000, expires = 10'000;  // milliseconds
  };
  // `exchange` of `type`; `queue` is bound to it with `key`.
  Mailbox(std::string exchange, const char* type, std::string queue, std::string key,
          std::size_t bound, Kind kind);
  Mailbox(std::string exchange, const char* type, std::string queue, std::string key,
          std::size_t bound)
      : Mailbox{std::move(exchange), type, std::move(queue), std::move(key), bound, Kind{}} {}

  [[nodiscard]] const std::string& exchange() const { return exchange_; }
  [[nodiscard]] const std::string& key() const { return key_; }
  [[nodiscard]] Result<std::vector<Message>> next(
      std::size_t max, std::chrono::milliseconds limit, const std::stop_token& stop,
      const std::function<std::optional<Error>()>& outage);

  Result<void> up(Session& session, amqp_channel_t channel) override;
  void down(const Error& error) override;
  void method(Session& session, amqp_channel_t channel, const amqp_method_t& method) override;
  void content(Session& session, Content&& content) override;

 private:
  const std::string exchange_;
  const char* const type_;
  const std::string queue_, key_;
  const std::size_t bound_;
  const Kind kind_;
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<Message> waiting_;
  bool is_up_ = false;
  std::optional<Error> error_;
};

}  // namespace umbel::broker_rabbitmq
