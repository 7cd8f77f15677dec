// What must exist on the server, declared exactly as Celery declares it: a Python process that
// declares the same again must find nothing different.
//
// Every function is called on a link's thread and does its work once per connection. What exists
// with other arguments than ours is taken as it is.
#pragma once

#include <map>
#include <mutex>
#include <set>
#include <string>

#include "session.hpp"
#include "umbel/base/ids.hpp"
#include "umbel/broker/broker.hpp"

namespace umbel::broker_rabbitmq {

// The queues that this process has to do with, for figures. Thread-safe.
class KnownQueues {
 public:
  void add(const std::string& queue);
  [[nodiscard]] std::set<std::string> all() const;

  // Looking at a queue that is not there closes a channel and is an error in the server's log, so
  // it is looked for again only after a while, or when somebody here has to do with it.
  void not_there(const std::string& queue, Steady::time_point now);
  [[nodiscard]] bool worth_a_look(const std::string& queue, Steady::time_point now);

 private:
  mutable std::mutex mutex_;
  std::set<std::string> names_;
  std::map<std::string, Steady::time_point> missing_;  // until when
};

class Topology {
 public:
  // Of queues that are created: both empty or 0 for a classic queue without arguments.
  Topology(std::string queue_type, int max_priority)
      : queue_type_{std::move(queue_type)}, max_priority_{max_priority} {}

  // A queue of tasks, with the direct exchange of its name that Celery binds it to.
  [[nodiscard]] Result<void> queue(Session& session, const std::string& name) const;
  // A queue of tasks that gets them from another exchange. Invalid: there is one of that name and
  // of another type.
  [[nodiscard]] Result<void> queue_from(Session& session, const std::string& name,
                                        const QueueBinding& binding) const;
  // An exchange, not durable ones included.
  [[nodiscard]] static Result<void> exchange(Session& session, const std::string& name,
                                             const char* type, bool durable);
  // Whether it exists, by whatever type; ours are declared.
  [[nodiscard]] static Result<bool> exchange_there(Session& session, const std::string& name);
  // The levels of delayed delivery, and the queue's place behind them.
  [[nodiscard]] static Result<void> delayed(Session& session, const std::string& queue);

  // A queue declared with arguments of its own; what exists is taken. `durable` ones stay,
  // the others go with their last consumer.
  [[nodiscard]] static Result<void> own_queue(Session& session, const std::string& name,
                                              bool durable, const amqp_table_t& arguments);
  [[nodiscard]] static Result<void> bind(Session& session, const std::string& queue,
                                         const std::string& exchange, const std::string& key);
  // As the server sees it; NotFound.
  [[nodiscard]] static Result<amqp_queue_declare_ok_t> look(Session& session,
                                                            const std::string& queue);

 private:
  [[nodiscard]] Result<void> make_queue(Session& session, const std::string& name) const;

  const std::string queue_type_;
  const int max_priority_;
};

[[nodiscard]] std::string declared_name(const std::string& queue);  // in Session::declared()

inline constexpr const char* kEventExchange = "celeryev";
inline constexpr const char* kControlExchange = "celery.pidbox";
inline constexpr const char* kReplyExchange = "reply.celery.pidbox";

}  // namespace umbel::broker_rabbitmq
