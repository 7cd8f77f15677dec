#include "mailbox.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include "field_table.hpp"

namespace umbel::broker_rabbitmq {
namespace {

constexpr std::chrono::milliseconds kLook{50};

}  // namespace

Mailbox::Mailbox(std::string exchange, const char* type, std::string queue, std::string key,
                 std::size_t bound, Kind kind)
    : exchange_{std::move(exchange)},
      type_{type},
      queue_{std::move(queue)},
      key_{std::move(key)},
      bound_{bound},
      kind_{kind} {}

Result<void> Mailbox::up(Session& session, amqp_channel_t channel) {
  std::array<amqp_table_entry_t, 2> arguments{integer_field("x-expires", kind_.expires),
                                              integer_field("x-message-ttl", kind_.time_to_live)};
  const amqp_table_t table{static_cast<int>(arguments.size()), arguments.data()};
  if (auto made = Topology::exchange(session, exchange_, type_, kind_.durable_exchange); !made)
    return made;
  if (auto made = Topology::own_queue(session, queue_, false, table); !made) return made;
  if (auto bound = Topology::bind(session, queue_, exchange_, key_); !bound) return bound;
  const amqp_basic_consume_t method{0, bytes_of(queue_), bytes_of(queue_), 0, 1, 0,
                                    0, amqp_empty_table};
  const auto done = session.ask<amqp_basic_consume_ok_t>(
      channel, AMQP_BASIC_CONSUME_METHOD, method, AMQP_BASIC_CONSUME_OK_METHOD,
      fmt::format("consuming queue `{}`", queue_));
  if (!done) return done.error();
  const std::lock_guard lock{mutex_};
  is_up_ = true;
  error_.reset();
  changed_.notify_all();
  return {};
}

void Mailbox::down(const Error& error) {
  const std::lock_guard lock{mutex_};
  if (!std::exchange(is_up_, false)) error_ = error;
  changed_.notify_all();
}

void Mailbox::method(Session& session, amqp_channel_t, const amqp_method_t& method) {
  if (method.id != AMQP_BASIC_CANCEL_METHOD) return;
  session.later([me = shared_from_this()](Session& then) {
    then.restart(*me, unavailable(fmt::format("queue `{}` was deleted", me->queue_)));
  });
}

void Mailbox::content(Session&, Content&& content) {
  const std::lock_guard lock{mutex_};
  if (waiting_.size() >= bound_) waiting_.pop_front();
  waiting_.push_back(std::move(content.incoming.message));
  changed_.notify_all();
}

Result<std::vector<Message>> Mailbox::next(std::size_t max, std::chrono::milliseconds limit,
                                           const std::stop_token& stop,
                                           const std::function<std::optional<Error>()>& outage) {
  const auto deadline = Steady::now() + limit;
  std::unique_lock lock{mutex_};
  for (;;) {
    if (stop.stop_requested()) return std::vector<Message>{};
    if (!waiting_.empty()) {
      const auto end =
          waiting_.begin() + static_cast<std::ptrdiff_t>(std::min(max, waiting_.size()));
      std::vector<Message> taken{std::move_iterator{waiting_.begin()}, std::move_iterator{end}};
      waiting_.erase(waiting_.begin(), end);
      return taken;
    }
    if (error_) return *error_;
    auto until = deadline;
    if (!is_up_) {
      lock.unlock();
      const auto why = outage();
      lock.lock();
      if (why) return *why;
      until = std::min(until, Steady::now() + kLook);
    }
    if (Steady::now() >= deadline) return std::vector<Message>{};
    const bool up = is_up_;
    changed_.wait_until(lock, stop, until,
                        [&] { return !waiting_.empty() || is_up_ != up || error_.has_value(); });
  }
}

}  // namespace umbel::broker_rabbitmq
