#include "consumer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <unordered_map>
#include <utility>

#include "umbel/sqlite/database.hpp"

namespace umbel::broker_sqlite {

Result<std::unique_ptr<Consumer>> SqliteConsumer::open(std::shared_ptr<Core> core,
                                                       ConsumeOptions options) {
  if (options.queues.empty()) return invalid("consume: no queue is named; at least one is needed");
  if (options.prefetch == 0) return invalid("consume: prefetch is 0; it must be at least 1");
  auto connection = core->connect();
  if (!connection) return connection.error();
  std::unique_ptr<SqliteConsumer> consumer{
      new SqliteConsumer{std::move(core), std::move(options), std::move(*connection)}};
  try {
    const std::lock_guard lock{consumer->mutex_};
    sqlite::WriteTransaction transaction{consumer->connection_->database()};
    consumer->register_anew();
    transaction.commit();
  } catch (const SQLite::Exception& failure) {
    return consumer->core_->fault(failure, "consume");
  }
  consumer->core_->keeper.add(consumer->id_);
  return std::unique_ptr<Consumer>{std::move(consumer)};
}

SqliteConsumer::SqliteConsumer(std::shared_ptr<Core> core, ConsumeOptions options,
                               std::unique_ptr<Connection> connection)
    : core_{std::move(core)},
      options_{std::move(options)},
      socket_{core_->wake},
      connection_{std::move(connection)} {}

SqliteConsumer::~SqliteConsumer() {
  const std::lock_guard lock{mutex_};
  if (id_ == 0) return;
  core_->keeper.remove(id_);
  try {
    std::vector<std::string> waiting;
    {
      sqlite::WriteTransaction transaction{connection_->database()};
      waiting = wake_names(*connection_, remove_consumer(*connection_, id_));
      transaction.commit();
    }
    core_->wake.wake(waiting);
  } catch (const SQLite::Exception& failure) {
    core_->log.warn("consumer could not say goodbye, its messages return when its lease ends",
                    {{"consumer", options_.consumer},
                     {"unacked", held_.size()},
                     {"reason", core_->fault(failure, "leave").what}});
  }
}

Result<void> SqliteConsumer::follow() {
  const auto followed = core_->follow(*connection_);
  if (!followed) return followed.error();
  if (*followed) {
    core_->keeper.remove(id_);
    id_ = 0;
    held_.clear();
  }
  return {};
}

void SqliteConsumer::declare() {
  queues_.clear();
  names_.clear();
  for (const auto& name : options_.queues) {
    const auto id = declare_queue(*connection_, name);
    if (names_.emplace(id, name).second) queues_.push_back(id);
  }
}

void SqliteConsumer::register_anew() {
  declare();
  id_ = add_consumer(*connection_, options_.consumer, socket_.name(), queues_, core_->leases.boot(),
                     core_->leases.end_of_new());
}

Result<std::vector<Delivery>> SqliteConsumer::next(std::size_t max, std::chrono::milliseconds limit,
                                                   std::stop_token stop) {
  std::optional<Wait> wait;
  if (stop.stop_requested()) return std::vector<Delivery>{};
  for (;;) {
    // Before the look: what happens after it must wake us.
    socket_.drain();
    room_.clear();
    std::optional<std::int64_t> next_due;
    try {
      const std::lock_guard lock{mutex_};
      if (auto followed = follow(); !followed) return followed.error();
      auto taken = take(max, next_due);
      if (!taken.empty()) return taken;
    } catch (const SQLite::Exception& failure) {
      return core_->fault(failure, "take messages");
    }
    if (!wait) wait.emplace(limit, stop);
    if (max == 0 || wait->over()) return std::vector<Delivery>{};
    std::chrono::microseconds at_most = kPollInterval;
    if (next_due) at_most = std::chrono::microseconds{*next_due - core_->now()};
    wait->for_any(std::array{socket_.fd(), room_.fd()}, at_most);
  }
}

std::vector<Delivery> SqliteConsumer::take(std::size_t max, std::optional<std::int64_t>& next_due) {
  const bool lost = !has_consumer(*connection_, id_);
  if (!lost) {
    const auto room = options_.prefetch - std::min(options_.prefetch, held_.size());
    if (std::min(max, room) == 0) return {};
    const auto look = readiness(*connection_, queues_, core_->now());
    next_due = look.next_due;
    if (!look.ready) return {};
  }

  const auto before = id_;
  std::vector<Claimed> claimed;
  {
    sqlite::WriteTransaction transaction{connection_->database()};
    bool fresh = false;
    try {
      // Without its row nobody would give back what it takes.
      fresh = !has_consumer(*connection_, id_);
      if (fresh) register_anew();
      const auto held = fresh ? 0 : held_.size();
      const auto room = options_.prefetch - std::min(options_.prefetch, held);
      if (std::min(max, room) > 0) {
        claimed = claim(*connection_, id_, queues_, std::min(max, room), core_->now());
      }
      transaction.commit();
    } catch (...) {
      id_ = before;
      throw;
    }
    if (fresh) held_.clear();
  }
  if (id_ != before) {
    core_->keeper.remove(before);
    core_->keeper.add(id_);
    core_->log.warn("consumer had lost its lease and begins anew",
                    {{"consumer", options_.consumer}});
  }
  std::vector<Delivery> deliveries;
  deliveries.reserve(claimed.size());
  for (auto& message : claimed) deliveries.push_back(hand_out(std::move(message)));
  return deliveries;
}

Delivery SqliteConsumer::hand_out(Claimed claimed) {
  held_.emplace_hint(held_.end(), ++last_tag_, claimed.id);
  return {.tag = last_tag_,
          .queue = names_.at(claimed.queue),
          .message = std::move(claimed.message),
          .redelivered = claimed.redelivered,
          .published = from_micros(claimed.published)};
}

Result<std::vector<DeliveryTag>> SqliteConsumer::ack(std::span<const DeliveryTag> tags) {
  const std::lock_guard lock{mutex_};
  if (auto followed = follow(); !followed) return followed.error();
  std::vector<DeliveryTag> lost;
  std::vector<MessageId> messages;
  std::unordered_map<MessageId, DeliveryTag> tag_of;
  for (const auto tag : tags) {
    const auto found = held_.find(tag);
    if (found == held_.end()) {
      lost.push_back(tag);
    } else if (tag_of.emplace(found->second, tag).second) {
      messages.push_back(found->second);
    }
  }
  if (!messages.empty()) {
    try {
      sqlite::WriteTransaction transaction{connection_->database()};
      const auto acked = broker_sqlite::ack(*connection_, id_, messages);
      transaction.commit();
      if (acked.size() < messages.size()) {
        auto missing = tag_of;
        for (const auto& done : acked) missing.erase(done.id);
        for (const auto& [message, tag] : missing) lost.push_back(tag);
      }
    } catch (const SQLite::Exception& failure) {
      return core_->fault(failure, "acknowledge messages");
    }
  }
  drop(tags);
  std::ranges::sort(lost);
  return lost;
}

Result<void> SqliteConsumer::requeue(std::span<const DeliveryTag> tags) {
  const std::lock_guard lock{mutex_};
  if (auto followed = follow(); !followed) return followed.error();
  std::vector<MessageId> messages;
  for (const auto tag : tags) {
    if (const auto found = held_.find(tag); found != held_.end()) messages.push_back(found->second);
  }
  if (messages.empty()) return {};
  std::vector<std::string> waiting;
  try {
    sqlite::WriteTransaction transaction{connection_->database()};
    waiting = wake_names(*connection_, broker_sqlite::requeue(*connection_, id_, messages));
    transaction.commit();
  } catch (const SQLite::Exception& failure) {
    return core_->fault(failure, "requeue messages");
  }
  drop(tags);
  core_->wake.wake(waiting);
  return {};
}

Result<void> SqliteConsumer::reject(std::span<const DeliveryTag> tags) {
  if (auto rejected = ack(tags); !rejected) return rejected.error();
  return {};
}

Result<void> SqliteConsumer::add_queue(const QueueName& queue) {
  if (queue.empty()) return invalid("add queue: its name is empty");
  const std::lock_guard lock{mutex_};
  if (auto followed = follow(); !followed) return followed.error();
  if (std::ranges::find(options_.queues, queue) != options_.queues.end()) return {};
  try {
    sqlite::WriteTransaction transaction{connection_->database()};
    const auto id = declare_queue(*connection_, queue);
    // One that has lost its row takes all its queues with the new one.
    if (has_consumer(*connection_, id_)) add_to_queue(*connection_, id_, id);
    transaction.commit();
    names_.emplace(id, queue);
    queues_.push_back(id);
    options_.queues.push_back(queue);
  } catch (const SQLite::Exception& failure) {
    return core_->fault(failure, "add queue " + queue.str());
  }
  room_.raise();
  return {};
}

Result<void> SqliteConsumer::cancel_queue(const QueueName& queue) {
  const std::lock_guard lock{mutex_};
  if (auto followed = follow(); !followed) return followed.error();
  if (std::ranges::find(options_.queues, queue) == options_.queues.end()) return {};
  try {
    sqlite::WriteTransaction transaction{connection_->database()};
    if (const auto id = find_queue(*connection_, queue)) {
      take_from_queue(*connection_, id_, *id);
      transaction.commit();
      std::erase(queues_, *id);
    }
  } catch (const SQLite::Exception& failure) {
    return core_->fault(failure, "cancel queue " + queue.str());
  }
  std::erase(options_.queues, queue);
  return {};
}

void SqliteConsumer::set_prefetch(std::size_t prefetch) {
  const std::lock_guard lock{mutex_};
  options_.prefetch = std::max<std::size_t>(prefetch, 1);
  room_.raise();
}

void SqliteConsumer::drop(std::span<const DeliveryTag> tags) {
  for (const auto tag : tags) held_.erase(tag);
  room_.raise();
}

std::size_t SqliteConsumer::unacked() const {
  const std::lock_guard lock{mutex_};
  return held_.size();
}

}  // namespace umbel::broker_sqlite
