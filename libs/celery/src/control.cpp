#include "umbel/celery/control.hpp"

#include <cmath>
#include <utility>

#include "envelope.hpp"
#include "field_reader.hpp"
#include "umbel/celery/json.hpp"
#include "value_reader.hpp"

namespace umbel::celery {
namespace {

namespace json = boost::json;

const json::value* member(const json::object& object, std::string_view key) {
  const json::value* const found = object.if_contains({key.data(), key.size()});
  return found != nullptr && found->is_null() ? nullptr : found;
}

Error wrong(std::string_view key, const json::value& got, std::string_view allowed) {
  return invalid(std::string{key} + " is " + described(got) + " (allowed: " + std::string{allowed} +
                 ")");
}

Result<void> read_text(const json::object& object, std::string_view key, std::string& out) {
  const json::value* const value = member(object, key);
  if (value == nullptr) return {};
  if (!value->is_string()) return wrong(key, *value, "null, or a string");
  out = text_of(value->get_string());
  return {};
}

Result<void> read_clock(const json::object& headers, std::optional<std::int64_t>& out) {
  const json::value* const value = member(headers, "clock");
  if (value == nullptr) return {};
  if (!value->is_int64() || value->get_int64() < 0) {
    return wrong("clock", *value, "a whole number from 0");
  }
  out = value->get_int64();
  return {};
}

// 0 is what Python sends for never.
Result<void> read_expires(const json::object& headers, std::optional<double>& out) {
  const json::value* const value = member(headers, "expires");
  if (value == nullptr) return {};
  const auto seconds = number_of(*value);
  if (!seconds || !std::isfinite(*seconds) || *seconds < 0) {
    return wrong("expires", *value, "0, or seconds since 1970");
  }
  if (*seconds > 0) out = *seconds;
  return {};
}

Result<void> read_method(const json::object& body, std::string& out) {
  const json::value* const value = member(body, "method");
  if (value == nullptr) return invalid("the request names no method");
  if (!value->is_string()) return wrong("method", *value, "a string");
  out = text_of(value->get_string());
  if (out.empty()) return invalid("the method's name is empty");
  return {};
}

Result<void> read_arguments(json::object& body, json::object& out) {
  json::value* const value = body.if_contains("arguments");
  if (value == nullptr || value->is_null()) return {};
  if (!value->is_object()) return wrong("arguments", *value, "null, or an object");
  out = std::move(value->get_object());
  return {};
}

Result<void> read_destination(const json::object& body, std::vector<std::string>& out) {
  const json::value* const value = member(body, "destination");
  if (value == nullptr) return {};
  if (!value->is_array()) return wrong("destination", *value, "null, or a list of node names");
  for (const json::value& node : value->get_array()) {
    if (!node.is_string()) return wrong("destination", node, "null, or a list of node names");
    out.emplace_back(text_of(node.get_string()));
  }
  return {};
}

Result<void> read_reply_to(const json::object& body, std::optional<ControlReplyTo>& out) {
  const json::value* const value = member(body, "reply_to");
  if (value == nullptr) return {};
  const json::object* const place = value->if_object();
  if (place == nullptr) return wrong("reply_to", *value, "null, or exchange and routing_key");
  ControlReplyTo read;
  if (auto text = read_text(*place, "exchange", read.exchange); !text) return text;
  if (auto text = read_text(*place, "routing_key", read.routing_key); !text) return text;
  if (read.routing_key.empty()) return invalid("reply_to has no routing_key");
  out = std::move(read);
  return {};
}

struct Parts {
  json::object headers, body;
};

Result<Parts> parts_of(const Message& message) {
  if (auto allowed = check_content_type(message); !allowed) return allowed.error();
  if (auto size = check_size("body", message.body.size()); !size) return size.error();
  auto headers = parse_headers(message);
  if (!headers) return headers.error();
  auto body = parse_plain_json(message.body);
  if (!body) return invalid("the body is " + body.error().what);
  if (!body->is_object()) return invalid("the body is " + described(*body) + ", not an object");
  return Parts{std::move(*headers), std::move(body->get_object())};
}

Message message_of(const json::object& headers, const json::object& body) {
  Message message;
  message.content_type = kJsonType;
  message.content_encoding = "utf-8";
  message.headers = to_json(headers);
  message.body = to_python_json(body);
  return message;
}

json::value text_or_null(const std::string& text) {
  return text.empty() ? json::value(nullptr) : json::value(text);
}

}  // namespace

Result<ControlRequest> decode_control_request(const Message& message) {
  auto parts = parts_of(message);
  if (!parts) return parts.error();
  ControlRequest request;
  if (auto read = read_method(parts->body, request.method); !read) return read.error();
  if (auto read = read_arguments(parts->body, request.arguments); !read) return read.error();
  if (auto read = read_destination(parts->body, request.destination); !read) return read.error();
  if (auto read = read_text(parts->body, "pattern", request.pattern); !read) return read.error();
  if (auto read = read_text(parts->body, "matcher", request.matcher); !read) return read.error();
  if (auto read = read_text(parts->body, "ticket", request.ticket); !read) return read.error();
  if (auto read = read_reply_to(parts->body, request.reply_to); !read) return read.error();
  if (auto read = read_clock(parts->headers, request.clock); !read) return read.error();
  if (auto read = read_expires(parts->headers, request.expires); !read) return read.error();
  return request;
}

Message encode_control_request(const ControlRequest& request) {
  json::object body;
  body["method"] = request.method;
  body["arguments"] = request.arguments;
  if (request.destination.empty()) {
    body["destination"] = nullptr;
  } else {
    body["destination"] = json::array(request.destination.begin(), request.destination.end());
  }
  body["pattern"] = text_or_null(request.pattern);
  body["matcher"] = text_or_null(request.matcher);
  if (!request.ticket.empty()) body["ticket"] = request.ticket;
  if (request.reply_to) {
    body["reply_to"] = json::object{{"exchange", request.reply_to->exchange},
                                    {"routing_key", request.reply_to->routing_key}};
  }
  json::object headers;
  if (request.clock) headers["clock"] = *request.clock;
  headers["expires"] = request.expires ? json::value(*request.expires) : json::value(0);
  return message_of(headers, body);
}

Result<ControlReply> decode_control_reply(const Message& message) {
  auto parts = parts_of(message);
  if (!parts) return parts.error();
  if (parts->body.size() != 1) {
    return invalid("the reply has " + std::to_string(parts->body.size()) +
                   " members (allowed: one, the node's name)");
  }
  ControlReply reply;
  reply.node = text_of(parts->body.begin()->key());
  if (reply.node.empty()) return invalid("the node's name is empty");
  reply.value = std::move(parts->body.begin()->value());
  if (auto read = read_text(parts->headers, "ticket", reply.ticket); !read) return read.error();
  if (auto read = read_clock(parts->headers, reply.clock); !read) return read.error();
  return reply;
}

Message encode_control_reply(const ControlReply& reply) {
  json::object headers;
  headers["ticket"] = text_or_null(reply.ticket);
  if (reply.clock) headers["clock"] = *reply.clock;
  json::object body;
  body[reply.node] = reply.value;
  return message_of(headers, body);
}

}  // namespace umbel::celery
