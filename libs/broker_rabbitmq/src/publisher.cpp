#include "publisher.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace umbel::broker_rabbitmq {
namespace {
constexpr std::size_t kSmallestLimit = 16 * 1024 * 1024;  // max_message_size of RabbitMQ 4
}

std::optional<Error> blocked(const Session& session) {
  if (!session.blocked()) return std::nullopt;
  return unavailable(
      fmt::format("RabbitMQ takes no messages now: its alarm says `{}`", *session.blocked()));
}

void Batch::finish(Result<void> result) {
  const std::lock_guard lock{mutex_};
  if (!result_) result_ = std::move(result);
  changed_.notify_all();
}

std::size_t Batch::largest() const {
  std::size_t most = 0;
  for (const auto& message : messages) most = std::max(most, message->body().size());
  return most;
}

bool Batch::finished() const {
  const std::lock_guard lock{mutex_};
  return result_.has_value();
}

Result<void> Batch::wait(std::chrono::milliseconds limit) {
  std::unique_lock lock{mutex_};
  if (!changed_.wait_for(lock, limit, [this] { return result_.has_value(); })) {
    result_ = unavailable(fmt::format(
        "publishing: RabbitMQ did not confirm within {} ms; it may or may not have kept them",
        limit.count()));
  }
  return *result_;
}

Result<void> Publisher::up(Session& session, amqp_channel_t channel) {
  const amqp_confirm_select_t method{0};
  const auto confirms = session.ask<amqp_confirm_select_ok_t>(channel, AMQP_CONFIRM_SELECT_METHOD,
                                                              method, AMQP_CONFIRM_SELECT_OK_METHOD,
                                                              "asking for publisher confirms");
  if (!confirms) return confirms.error();
  channel_ = channel;
  first_ = 1;
  return {};
}

void Publisher::down(const Error& error) {
  channel_.reset();
  const auto lost = std::exchange(unconfirmed_, {});
  for (const auto& batch : lost) {
    if (!batch) continue;
    // The server takes nothing of this size, today or later; it closes the channel to say so.
    if (error.code == Errc::Conflict && batch->largest() >= kSmallestLimit) {
      batch->finish(invalid("publishing: " + error.what));
    }
    batch->finish(unavailable(fmt::format(
        "publishing: the connection was lost before RabbitMQ confirmed; it may or may not have "
        "kept them ({})",
        error.what)));
  }
}

void Publisher::send(Session& session, const std::shared_ptr<Batch>& batch) {
  if (batch->finished()) return;  // whoever waited has gone
  if (const auto why = blocked(session)) return batch->finish(*why);
  for (const auto& queue : batch->queues) {
    if (const auto made = topology_.queue(session, queue); !made)
      return batch->finish(made.error());
  }
  for (const auto& queue : batch->delayed) {
    if (const auto made = Topology::delayed(session, queue); !made) {
      return batch->finish(made.error());
    }
  }
  if (!channel_) return batch->finish(unavailable("publishing: the channel is being opened"));
  if (batch->messages.empty()) return batch->finish({});
  batch->unconfirmed = batch->messages.size();
  unconfirmed_.insert(unconfirmed_.end(), batch->messages.size(), batch);
  const bool many = batch->messages.size() > 1;
  if (many) session.cork(true);
  for (const auto& message : batch->messages) {
    // The session fails with it, and down() tells the batch.
    if (!session.publish(*channel_, *message)) return;
  }
  if (many) session.cork(false);
}

void Publisher::confirm(std::uint64_t sequence, bool multiple,
                        const std::optional<Error>& refused) {
  if (sequence < first_ || sequence - first_ >= unconfirmed_.size()) return;
  const auto last = sequence - first_;
  for (auto i = multiple ? 0 : last; i <= last; ++i) {
    const auto batch = std::exchange(unconfirmed_[i], nullptr);
    if (!batch) continue;
    if (refused) batch->finish(*refused);
    if (--batch->unconfirmed == 0) batch->finish({});
  }
  while (!unconfirmed_.empty() && !unconfirmed_.front()) {
    unconfirmed_.pop_front();
    ++first_;
  }
}

void Publisher::method(Session&, amqp_channel_t, const amqp_method_t& method) {
  if (method.id == AMQP_BASIC_ACK_METHOD) {
    const auto& ack = *static_cast<const amqp_basic_ack_t*>(method.decoded);
    confirm(ack.delivery_tag, ack.multiple != 0, std::nullopt);
  } else if (method.id == AMQP_BASIC_NACK_METHOD) {
    const auto& nack = *static_cast<const amqp_basic_nack_t*>(method.decoded);
    confirm(nack.delivery_tag, nack.multiple != 0,
            unavailable("publishing: RabbitMQ refused to keep a message (a queue is full, or lost "
                        "its leader)"));
  }
}

void Publisher::content(Session& session, Content&& content) {
  if (!content.returned) return;
  // Somebody deleted a queue since it was declared: look again next time.
  session.declared().clear();
  const auto why = unavailable(
      fmt::format("publishing: RabbitMQ found no queue for routing key `{}` of exchange `{}` ({})",
                  content.routing_key, content.exchange, content.reason));
  const Batch* looked_at = nullptr;  // each stands there once for each of its messages
  for (const auto& batch : unconfirmed_) {
    if (!batch || batch.get() == looked_at) continue;
    looked_at = batch.get();
    const bool its = std::ranges::any_of(batch->messages, [&content](const auto& message) {
      return message->routing_key == content.routing_key && message->exchange == content.exchange;
    });
    if (its) batch->finish(why);
  }
}

Result<void> LoosePublisher::up(Session&, amqp_channel_t channel) {
  channel_ = channel;
  return {};
}

void LoosePublisher::down(const Error&) { channel_.reset(); }

Result<void> LoosePublisher::send(Session& session, const Outgoing& message) {
  if (const auto why = blocked(session)) return *why;
  if (!channel_) return unavailable("publishing: the channel is being opened");
  return session.publish(*channel_, message);
}

}  // namespace umbel::broker_rabbitmq
