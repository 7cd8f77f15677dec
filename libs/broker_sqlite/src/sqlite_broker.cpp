#include "umbel/broker_sqlite/sqlite_broker.hpp"

#include <fmt/format.h>

#include <mutex>
#include <optional>
#include <unordered_map>
#include <utility>

#include "consumer.hpp"
#include "control_tables.hpp"
#include "core.hpp"
#include "event_tables.hpp"
#include "mailbox.hpp"
#include "queue_tables.hpp"
#include "schema.hpp"
#include "subscription.hpp"
#include "umbel/sqlite/database.hpp"

namespace umbel {
namespace broker_sqlite {
namespace {

constexpr std::size_t kPurgedAtOnce = 2000;  // bounds how long the write lock is held

Result<void> checked(const std::string& doing, const Message& message, std::size_t most_bytes) {
  if (message.priority < 0 || message.priority > 255) {
    return invalid(fmt::format("{} {}: priority {} is not within 0 and 255", doing,
                               message.correlation_id, message.priority));
  }
  if (const auto bytes = message.headers.size() + message.body.size(); bytes > most_bytes) {
    return invalid(fmt::format("{} {}: {} bytes; a message may have {}", doing,
                               message.correlation_id, bytes, most_bytes));
  }
  return {};
}

Result<void> checked(const OutgoingMessage& outgoing, std::size_t most_bytes) {
  if (outgoing.queue.empty()) {
    return invalid(
        fmt::format("publish {}: the queue's name is empty", outgoing.message.correlation_id));
  }
  return checked("publish", outgoing.message, most_bytes);
}

class SqliteBroker final : public Broker {
 public:
  SqliteBroker(std::shared_ptr<Core> core, std::unique_ptr<Connection> connection)
      : core_{std::move(core)}, connection_{std::move(connection)} {}

  Result<void> declare(std::span<const QueueName> queues) override {
    for (const auto& queue : queues) {
      if (queue.empty()) return invalid("declare: a queue's name is empty");
    }
    return writing("declare queues", [&] {
      for (const auto& queue : queues) static_cast<void>(declare_queue(*connection_, queue));
      return std::vector<std::string>{};
    });
  }

  Result<void> publish(std::span<const OutgoingMessage> messages) override {
    for (const auto& message : messages) {
      if (const auto good = checked(message, core_->options.max_message_bytes); !good) {
        return good.error();
      }
    }
    if (messages.empty()) return {};
    return writing("publish messages", [&] {
      const auto now = core_->now();
      std::unordered_map<QueueName, QueueId> ids;
      std::vector<QueueId> queues;
      std::vector<NewMessage> rows;
      rows.reserve(messages.size());
      for (const auto& message : messages) {
        auto found = ids.find(message.queue);
        if (found == ids.end()) {
          found = ids.emplace(message.queue, declare_queue(*connection_, message.queue)).first;
          queues.push_back(found->second);
        }
        rows.push_back({.queue = found->second,
                        .message = &message.message,
                        .due = message.not_before ? to_micros(*message.not_before) : now});
      }
      insert_messages(*connection_, rows, now);
      return wake_names(*connection_, queues);
    });
  }

  Result<std::unique_ptr<Consumer>> consume(ConsumeOptions options) override {
    for (const auto& queue : options.queues) {
      if (queue.empty()) return invalid("consume: a queue's name is empty");
    }
    return SqliteConsumer::open(core_, std::move(options));
  }

  Result<std::uint64_t> purge(const QueueName& name) override {
    std::uint64_t gone = 0;
    std::optional<QueueId> queue;
    MessageId newest = 0;
    const auto found = writing("purge queue " + name.str(), [&] {
      queue = find_queue(*connection_, name);
      if (queue) newest = newest_message(*connection_);
      return std::vector<std::string>{};
    });
    if (!found) return found.error();
    if (!queue) return Error{Errc::NotFound, "purge: there is no queue " + name.str()};
    for (std::size_t removed = 1; removed > 0; gone += removed) {
      const auto done = writing("purge queue " + name.str(), [&] {
        removed = broker_sqlite::purge(*connection_, *queue, newest, kPurgedAtOnce, core_->now());
        return std::vector<std::string>{};
      });
      if (!done) return done.error();
    }
    return gone;
  }

  Result<void> broadcast(const Message& request) override {
    if (const auto good = checked("broadcast", request, core_->options.max_message_bytes); !good)
      return good;
    return writing("broadcast",
                   [&] { return put_everywhere(*connection_, request, kControlBound); });
  }

  Result<std::unique_ptr<ControlInbox>> control_inbox(const std::string& node) override {
    return open_control_inbox(core_, node);
  }

  Result<std::unique_ptr<ReplyBox>> reply_box() override { return open_reply_box(core_); }

  Result<void> reply(const ReplyAddress& to, const Message& message) override {
    if (const auto good = checked("reply", message, core_->options.max_message_bytes); !good)
      return good;
    return writing("reply", [&] {
      if (!to.exchange.empty()) {
        return put_reply(*connection_, to.routing_key, message, kControlBound);
      }
      const auto queue = find_queue(*connection_, QueueName{to.routing_key});
      if (!queue) return std::vector<std::string>{};
      const auto now = core_->now();
      const NewMessage row{.queue = *queue, .message = &message, .due = now};
      insert_messages(*connection_, {&row, 1}, now);
      return wake_names(*connection_, {&*queue, 1});
    });
  }

  Result<void> publish_events(std::string_view body, const EventRoute& /*route*/) override {
    if (body.size() > core_->options.max_event_bytes) {
      return invalid(
          fmt::format("publish events: a batch of {} bytes; the whole stream may have {}",
                      body.size(), core_->options.max_event_bytes));
    }
    return writing("publish events", [&] {
      append_event(*connection_, body, core_->now(),
                   static_cast<std::int64_t>(core_->options.max_event_bytes));
      return subscriber_wake_names(*connection_);
    });
  }

  Result<std::unique_ptr<EventSubscription>> subscribe(SubscribeOptions options) override {
    return SqliteSubscription::open(core_, std::move(options));
  }

  Result<std::vector<QueueFigures>> queues(std::span<const QueueName>) override {
    const std::lock_guard lock{mutex_};
    if (auto followed = core_->follow(*connection_); !followed) return followed.error();
    try {
      return queue_figures(*connection_, core_->now(), core_->leases.now());
    } catch (const SQLite::Exception& failure) {
      return core_->fault(failure, "look at queues");
    }
  }

  Result<void> ping() override {
    auto answers = sqlite::probe(core_->options.path, kApplicationId);
    if (!answers) return answers;
    return core_->damage.check();
  }

 private:
  // Runs `change` in a transaction, then wakes whom it names.
  template <class Change>
  Result<void> writing(const std::string& what, const Change& change) {
    std::vector<std::string> waiting;
    try {
      const std::lock_guard lock{mutex_};
      if (auto followed = core_->follow(*connection_); !followed) return followed.error();
      sqlite::WriteTransaction transaction{connection_->database()};
      waiting = change();
      transaction.commit();
    } catch (const SQLite::Exception& failure) {
      return core_->fault(failure, what);
    }
    core_->wake.wake(waiting);
    return {};
  }

  const std::shared_ptr<Core> core_;
  std::mutex mutex_;
  std::unique_ptr<Connection> connection_;
};

}  // namespace
}  // namespace broker_sqlite

Result<std::unique_ptr<Broker>> open_sqlite_broker(SqliteBrokerOptions options, const Clock& clock,
                                                   Log log) {
  auto core = broker_sqlite::Core::open(std::move(options), clock, std::move(log));
  if (!core) return core.error();
  auto connection = (*core)->connect();
  if (!connection) return connection.error();
  return std::unique_ptr<Broker>{
      std::make_unique<broker_sqlite::SqliteBroker>(std::move(*core), std::move(*connection))};
}

}  // namespace umbel
