// Remote control (kombu/pidbox.py): a request goes to every worker, and each worker that it is
// meant for answers to the asker's own reply queue. Pure.
//
// Only the texts: whom a request is meant for and what a method does is for those who serve it.
#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "umbel/base/result.hpp"
#include "umbel/model/message.hpp"

namespace umbel::celery {

struct ControlReplyTo {
  std::string exchange, routing_key;
  friend bool operator==(const ControlReplyTo&, const ControlReplyTo&) = default;
};

struct ControlRequest {
  std::string method;
  boost::json::object arguments;         // passed as keyword arguments
  std::vector<std::string> destination;  // node names; empty: every node
  std::string pattern, matcher;  // of node names, looked at if there is no destination; empty: none
  std::string ticket;            // of the asker; empty: no answer is wanted
  std::optional<ControlReplyTo> reply_to;
  std::optional<std::int64_t> clock;  // the mailbox's Lamport clock, not the workers'
  std::optional<double> expires;      // seconds since 1970; nothing: never
  friend bool operator==(const ControlRequest&, const ControlRequest&) = default;
};

struct ControlReply {
  std::string node;
  boost::json::value value;  // {"ok": …}, {"error": …}, a method's own form, or null
  std::string ticket;
  std::optional<std::int64_t> clock;
  friend bool operator==(const ControlReply&, const ControlReply&) = default;
};

// Errc::Invalid names the fault. Unknown members are left out, as Python workers do. A destination
// that is one text is refused: Python would take it for a list of its letters.
[[nodiscard]] Result<ControlRequest> decode_control_request(const Message& message);
[[nodiscard]] Message encode_control_request(const ControlRequest& request);

// The body is an object of one member, the node; its value may hold NaN and Infinity (Celery's
// `conf` does), and is written with them.
[[nodiscard]] Result<ControlReply> decode_control_reply(const Message& message);
[[nodiscard]] Message encode_control_reply(const ControlReply& reply);

}  // namespace umbel::celery
