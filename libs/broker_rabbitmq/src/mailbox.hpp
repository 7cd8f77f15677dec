// The channel of one reader of remote control: a queue of its own that lives as long as it does,
// bound to one exchange, read without acknowledging, bounded here.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "topology.hpp"
#include "umbel/model/message.hpp"

namespace umbel::broker_rabbitmq {

class Mailbox final : public ChannelUser {
 public:
  // Not durable: `exchange` of `type`; `queue` is bound to it with `key`.
  Mailbox(std::string exchange, const char* type, std::string queue, std::string key,
          std::size_t bound);

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
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<Message> waiting_;
  bool is_up_ = false;
  std::optional<Error> error_;
};

}  // namespace umbel::broker_rabbitmq
