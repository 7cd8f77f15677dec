// Celery's task message, protocol v2 (app/amqp.py: as_task_v2), between bytes and a value. Pure.
//
// Reading follows what a Python worker accepts, and answers everything else with an Error that says
// what is wrong: a message from foreign hands must never end a process. Writing gives what every
// Celery 5.x reads: exactly three body elements, six-digit ISO times with an offset, `timelimit` of
// two elements.
#pragma once

#include <boost/json.hpp>
#include <optional>
#include <string>

#include "umbel/base/clock.hpp"
#include "umbel/base/ids.hpp"
#include "umbel/base/result.hpp"
#include "umbel/model/message.hpp"

namespace umbel::celery {

struct TaskMessage {
  std::string task;  // name
  TaskId id;
  boost::json::array args;
  boost::json::object kwargs;
  boost::json::object
      embed;  // callbacks, errbacks, chain, chord as they came, nulls left out; empty for ours
  std::int64_t retries = 0;
  std::optional<WallTime> eta, expires;
  std::optional<double> time_limit, soft_time_limit;  // seconds, above 0
  std::string root_id, parent_id, group;              // empty: null
  std::string origin;                                 // `gen<pid>@host` of the sender
  std::string shadow;
  std::string argsrepr, kwargsrepr;  // empty on writing: computed
  std::string reply_to;
  int priority = 0;
  bool ignore_result = false;
  // Anything else at the top level (ours start with `umbel_`), and of Celery's own headers those
  // that are not at their default (lang, group_index, replaced_task_nesting, stamped_headers,
  // stamps). On writing, a name that has a member above is left out.
  boost::json::object extra_headers;

  friend bool operator==(const TaskMessage&, const TaskMessage&) = default;
};

// The largest body that is looked at, in bytes; larger is Errc::Invalid.
inline constexpr std::size_t kMaxBody = 16 * 1024 * 1024;

// Errc::Invalid names the fault. Pickle and other content types are refused by name and never
// decoded.
[[nodiscard]] Result<TaskMessage> decode_task(const Message& message);
[[nodiscard]] Message encode_task(const TaskMessage& task);

// The id of a message that decode_task refuses, if its headers or correlation id still give one.
[[nodiscard]] std::optional<TaskId> id_of(const Message& message);

}  // namespace umbel::celery
