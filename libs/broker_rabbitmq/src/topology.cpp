#include "topology.hpp"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "delayed_route.hpp"
#include "field_table.hpp"

namespace umbel::broker_rabbitmq {
namespace {

constexpr const char* kDelayed = "delayed levels";
constexpr std::chrono::seconds kLookAgain{10};

Result<void> bind_exchange(Session& session, const std::string& destination,
                           const std::string& source, const std::string& key) {
  const auto channel = session.scratch();
  if (!channel) return channel.error();
  const amqp_exchange_bind_t method{0, bytes_of(destination), bytes_of(source), bytes_of(key),
                                    0, amqp_empty_table};
  const auto bound = session.ask<amqp_exchange_bind_ok_t>(
      *channel, AMQP_EXCHANGE_BIND_METHOD, method, AMQP_EXCHANGE_BIND_OK_METHOD,
      fmt::format("binding exchange `{}` to `{}`", destination, source));
  if (!bound) return bound.error();
  return {};
}

Result<void> level_queue(Session& session, int level) {
  const auto next = level == 0 ? std::string{kDelayedDelivery} : delay_level_name(level - 1);
  const std::array<amqp_table_entry_t, 5> arguments{
      text_field("x-queue-type", "quorum"), text_field("x-overflow", "reject-publish"),
      [level] {
        // 2^27 s in milliseconds need 64 bits.
        amqp_table_entry_t entry = integer_field("x-message-ttl", 0);
        entry.value.kind = AMQP_FIELD_KIND_I64;
        entry.value.value.i64 = (std::int64_t{1} << static_cast<unsigned>(level)) * 1000;
        return entry;
      }(),
      text_field("x-dead-letter-exchange", next.c_str()),
      text_field("x-dead-letter-strategy", "at-least-once")};
  const amqp_table_t table{static_cast<int>(arguments.size()),
                           const_cast<amqp_table_entry_t*>(arguments.data())};
  const auto name = delay_level_name(level);
  if (const auto made = Topology::own_queue(session, name, true, table); !made) return made;
  return Topology::bind(session, name, name, waits_key(level));
}

Result<void> levels(Session& session) {
  if (session.declared().contains(kDelayed)) return {};
  for (int level = kDelayLevels - 1; level >= 0; --level) {
    if (auto made = Topology::exchange(session, delay_level_name(level), "topic", true); !made) {
      return made;
    }
  }
  if (auto made = Topology::exchange(session, std::string{kDelayedDelivery}, "topic", true);
      !made) {
    return made;
  }
  for (int level = kDelayLevels - 1; level >= 0; --level) {
    if (auto made = level_queue(session, level); !made) return made;
    const auto next = level == 0 ? std::string{kDelayedDelivery} : delay_level_name(level - 1);
    if (auto bound = bind_exchange(session, next, delay_level_name(level), passes_key(level));
        !bound) {
      return bound;
    }
  }
  session.declared().insert(kDelayed);
  return {};
}

// Conflict: it is there, and of another kind.
Result<void> declare_exchange(Session& session, const std::string& name, const char* type,
                              bool durable) {
  const auto channel = session.scratch();
  if (!channel) return channel.error();
  const amqp_exchange_declare_t method{0, bytes_of(name),  bytes_of(type), 0, durable ? 1 : 0, 0, 0,
                                       0, amqp_empty_table};
  const auto made = session.ask<amqp_exchange_declare_ok_t>(
      *channel, AMQP_EXCHANGE_DECLARE_METHOD, method, AMQP_EXCHANGE_DECLARE_OK_METHOD,
      fmt::format("declaring exchange `{}`", name));
  if (!made) return made.error();
  return {};
}

}  // namespace

std::string declared_name(const std::string& queue) { return "queue " + queue; }

void KnownQueues::add(const std::string& queue) {
  const std::lock_guard lock{mutex_};
  names_.insert(queue);
  missing_.erase(queue);
}

void KnownQueues::not_there(const std::string& queue, Steady::time_point now) {
  const std::lock_guard lock{mutex_};
  std::erase_if(missing_, [now](const auto& each) { return each.second <= now; });
  missing_[queue] = now + kLookAgain;
}

bool KnownQueues::worth_a_look(const std::string& queue, Steady::time_point now) {
  const std::lock_guard lock{mutex_};
  const auto found = missing_.find(queue);
  return found == missing_.end() || found->second <= now;
}

std::set<std::string> KnownQueues::all() const {
  const std::lock_guard lock{mutex_};
  return names_;
}

Result<amqp_queue_declare_ok_t> Topology::look(Session& session, const std::string& queue) {
  const auto channel = session.scratch();
  if (!channel) return channel.error();
  const amqp_queue_declare_t method{0, bytes_of(queue), 1, 0, 0, 0, 0, amqp_empty_table};
  return session.ask<amqp_queue_declare_ok_t>(*channel, AMQP_QUEUE_DECLARE_METHOD, method,
                                              AMQP_QUEUE_DECLARE_OK_METHOD,
                                              fmt::format("looking at queue `{}`", queue));
}

// Not looked at first, as task queues are: each look at what is missing is an error in the server's
// log, and some of these are made every second.
Result<void> Topology::own_queue(Session& session, const std::string& name, bool durable,
                                 const amqp_table_t& arguments) {
  const auto channel = session.scratch();
  if (!channel) return channel.error();
  const amqp_queue_declare_t method{0, bytes_of(name),  0, durable ? 1 : 0,
                                    0, durable ? 0 : 1, 0, arguments};
  const auto made = session.ask<amqp_queue_declare_ok_t>(*channel, AMQP_QUEUE_DECLARE_METHOD,
                                                         method, AMQP_QUEUE_DECLARE_OK_METHOD,
                                                         fmt::format("declaring queue `{}`", name));
  // Conflict: it is there, with other arguments.
  if (!made && made.error().code != Errc::Conflict) return made.error();
  return {};
}

Result<void> Topology::bind(Session& session, const std::string& queue, const std::string& exchange,
                            const std::string& key) {
  const auto channel = session.scratch();
  if (!channel) return channel.error();
  const amqp_queue_bind_t method{0, bytes_of(queue), bytes_of(exchange), bytes_of(key),
                                 0, amqp_empty_table};
  const auto bound = session.ask<amqp_queue_bind_ok_t>(
      *channel, AMQP_QUEUE_BIND_METHOD, method, AMQP_QUEUE_BIND_OK_METHOD,
      fmt::format("binding queue `{}` to exchange `{}`", queue, exchange));
  if (!bound) return bound.error();
  return {};
}

Result<void> Topology::exchange(Session& session, const std::string& name, const char* type,
                                bool durable) {
  const auto known = "exchange " + name;
  if (session.declared().contains(known)) return {};
  if (auto made = declare_exchange(session, name, type, durable);
      !made && made.error().code != Errc::Conflict) {
    return made;
  }
  session.declared().insert(known);
  return {};
}

Result<bool> Topology::exchange_there(Session& session, const std::string& name) {
  const auto known = "exchange " + name;
  if (session.declared().contains(known)) return true;
  if (name == kReplyExchange) {
    if (const auto made = exchange(session, name, "direct", false); !made) return made.error();
    return true;
  }
  const auto channel = session.scratch();
  if (!channel) return channel.error();
  const amqp_exchange_declare_t method{0, bytes_of(name),  amqp_empty_bytes, 1, 0, 0, 0,
                                       0, amqp_empty_table};
  const auto there = session.ask<amqp_exchange_declare_ok_t>(
      *channel, AMQP_EXCHANGE_DECLARE_METHOD, method, AMQP_EXCHANGE_DECLARE_OK_METHOD,
      fmt::format("looking for exchange `{}`", name));
  if (!there && there.error().code == Errc::NotFound) return false;
  if (!there) return there.error();
  session.declared().insert(known);
  return true;
}

Result<void> Topology::make_queue(Session& session, const std::string& name) const {
  std::array<amqp_table_entry_t, 2> entries{};
  int count = 0;
  if (!queue_type_.empty()) {
    entries.at(static_cast<std::size_t>(count++)) = text_field("x-queue-type", queue_type_.c_str());
  }
  if (max_priority_ > 0) {
    entries.at(static_cast<std::size_t>(count++)) = integer_field("x-max-priority", max_priority_);
  }
  return own_queue(session, name, true, {count, entries.data()});
}

Result<void> Topology::queue(Session& session, const std::string& name) const {
  const auto known = declared_name(name);
  if (session.declared().contains(known)) return {};
  const auto there = look(session, name);
  if (!there) {
    if (there.error().code != Errc::NotFound) return there.error();
    if (auto made = exchange(session, name, "direct", true); !made) return made;
    if (auto made = make_queue(session, name); !made) return made;
    if (auto bound = bind(session, name, name, name); !bound) return bound;
  }
  session.declared().insert(known);
  return {};
}

Result<void> Topology::queue_from(Session& session, const std::string& name,
                                  const QueueBinding& binding) const {
  if (auto made = declare_exchange(session, binding.exchange, binding.type.c_str(), true); !made) {
    if (made.error().code == Errc::Conflict) return invalid(made.error().what);
    return made;
  }
  if (const auto there = look(session, name); !there) {
    if (there.error().code != Errc::NotFound) return there.error();
    if (auto made = make_queue(session, name); !made) return made;
  }
  if (auto bound = bind(session, name, binding.exchange, binding.key); !bound) return bound;
  session.declared().insert(declared_name(name));
  return {};
}

Result<void> Topology::delayed(Session& session, const std::string& queue) {
  const auto known = "delayed " + queue;
  if (session.declared().contains(known)) return {};
  if (auto made = levels(session); !made) return made;
  if (auto bound = bind(session, queue, std::string{kDelayedDelivery}, arrives_key(queue));
      !bound) {
    return bound;
  }
  session.declared().insert(known);
  return {};
}

}  // namespace umbel::broker_rabbitmq
