#include "umbel/cli/remote.hpp"

#include <algorithm>
#include <charconv>
#include <ostream>

#include "umbel/base/clock.hpp"
#include "umbel/base/ids.hpp"
#include "umbel/base/text.hpp"
#include "umbel/celery/json.hpp"

namespace umbel {
namespace {

namespace json = boost::json;

enum class Kind { Text, Whole, Number, Truth };

struct Argument {
  const char* name;
  Kind kind;
};

// What a method takes on the command line, in order; `rest`: the name of what takes all that
// follows; `needed`: how many words it cannot do without.
struct Method {
  const char* group;
  const char* name;
  std::vector<Argument> arguments;
  const char* rest;
  std::size_t needed = 0;
};

const std::vector<Method>& methods() {
  using enum Kind;
  static const std::vector<Method> kAll{
      {"inspect", "active", {}, nullptr},
      {"inspect", "active_queues", {}, nullptr},
      {"inspect", "clock", {}, nullptr},
      {"inspect", "conf", {{"with_defaults", Truth}}, nullptr},
      {"inspect", "memdump", {{"samples", Whole}}, nullptr},
      {"inspect", "memsample", {}, nullptr},
      {"inspect", "objgraph", {{"type", Text}, {"num", Whole}, {"max_depth", Whole}}, nullptr},
      {"inspect", "ping", {}, nullptr},
      {"inspect", "query_task", {}, "ids", 1},
      {"inspect", "registered", {}, "taskinfoitems"},
      {"inspect", "report", {}, nullptr},
      {"inspect", "reserved", {}, nullptr},
      {"inspect", "revoked", {}, nullptr},
      {"inspect", "scheduled", {}, nullptr},
      {"inspect", "stats", {}, nullptr},
      {"control",
       "add_consumer",
       {{"queue", Text}, {"exchange", Text}, {"exchange_type", Text}, {"routing_key", Text}},
       nullptr,
       1},
      {"control", "autoscale", {{"max", Whole}, {"min", Whole}}, nullptr},
      {"control", "cancel_consumer", {{"queue", Text}}, nullptr, 1},
      {"control", "disable_events", {}, nullptr},
      {"control", "enable_events", {}, nullptr},
      {"control", "heartbeat", {}, nullptr},
      {"control", "pool_grow", {{"n", Whole}}, nullptr},
      {"control", "pool_restart", {}, nullptr},
      {"control", "pool_shrink", {{"n", Whole}}, nullptr},
      {"control", "rate_limit", {{"task_name", Text}, {"rate_limit", Text}}, nullptr, 2},
      {"control", "revoke", {}, "task_id", 1},
      {"control", "revoke_by_stamped_headers", {}, "headers", 1},
      {"control", "shutdown", {}, nullptr},
      {"control", "terminate", {{"signal", Text}}, "task_id", 2},
      {"control",
       "time_limit",
       {{"task_name", Text}, {"soft", Number}, {"hard", Number}},
       nullptr,
       2},
  };
  return kAll;
}

std::string names_of(const std::string& group) {
  std::string names;
  for (const auto& method : methods()) {
    if (group == method.group) names += (names.empty() ? "" : ", ") + std::string{method.name};
  }
  return names;
}

// `task_name soft [hard]`
std::string takes(const Method& method) {
  std::vector<std::string> words;
  for (const auto& argument : method.arguments) words.emplace_back(argument.name);
  if (method.rest != nullptr) words.push_back(std::string{method.rest} + "…");
  std::string text;
  for (std::size_t i = 0; i < words.size(); ++i) {
    text += i < method.needed ? " " + words[i] : " [" + words[i] + "]";
  }
  return text.empty() ? " nothing" : text;
}

template <class T>
Result<json::value> number_of(const Argument& argument, const std::string& word) {
  T value{};
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (error != std::errc{} || end != word.data() + word.size()) {
    return invalid(std::string{argument.name} + ": `" + word + "` is no " +
                   (argument.kind == Kind::Whole ? "whole number" : "number"));
  }
  return json::value(value);
}

Result<json::value> value_of(const Argument& argument, const std::string& word) {
  switch (argument.kind) {
    case Kind::Text:
      return json::value(word);
    case Kind::Whole:
      return number_of<std::int64_t>(argument, word);
    case Kind::Number:
      return number_of<double>(argument, word);
    case Kind::Truth:
      break;
  }
  for (const auto* const yes : {"true", "yes", "1", "on"}) {
    if (word == yes) return json::value(true);
  }
  for (const auto* const no : {"false", "no", "0", "off"}) {
    if (word == no) return json::value(false);
  }
  return invalid(std::string{argument.name} + ": `" + word + "` is neither true nor false");
}

// The lines of a value, as `celery inspect` lists them.
std::string body_of(const json::value& value) {
  if (value.is_string()) return std::string{value.get_string()};
  if (const auto* const list = value.if_array()) {
    if (list->empty()) return "- empty -";
    std::string text;
    for (const auto& one : *list) text += (text.empty() ? "* " : "\n* ") + body_of(one);
    return text;
  }
  return celery::to_json(value);
}

std::string indented(const std::string& text) {
  std::string out = "        ";
  for (const char c : text) {
    out += c;
    if (c == '\n') out += "        ";
  }
  return out;
}

}  // namespace

Result<RemoteCall> remote_call(const std::vector<std::string>& words) {
  RemoteCall call;
  if (words.size() == 1 && words[0] == "status") {
    call.request.method = "ping";
    call.brief = true;
    return call;
  }
  const auto group = words.empty() ? std::string{} : words[0];
  if (group != "inspect" && group != "control") {
    return invalid("`" + group +
                   "` takes no further words here (allowed: status alone, inspect "
                   "METHOD, control METHOD)");
  }
  const auto name = words.size() > 1 ? words[1] : std::string{};
  const auto found = std::ranges::find_if(methods(), [&](const Method& method) {
    return group == method.group && name == method.name;
  });
  if (name.empty()) {
    return invalid("`umbel " + group + "` needs a METHOD (allowed: " + names_of(group) + ")");
  }
  if (found == methods().end()) {
    return invalid("`" + name + "` is nothing that `umbel " + group +
                   "` knows (allowed: " + names_of(group) + ")");
  }
  if (words.size() - 2 < found->needed) {
    return invalid("too little: " + name + " takes" + takes(*found));
  }
  call.request.method = name;
  call.answered = name != "shutdown";
  std::size_t next = 2;
  for (const auto& argument : found->arguments) {
    if (next == words.size()) break;
    auto value = value_of(argument, words[next++]);
    if (!value) return value.error();
    call.request.arguments[argument.name] = std::move(*value);
  }
  if (found->rest != nullptr) {
    json::array rest;
    for (; next < words.size(); ++next) rest.emplace_back(words[next]);
    call.request.arguments[found->rest] = std::move(rest);
  }
  if (next < words.size()) {
    return invalid("`" + words[next] + "` is too much: " + name + " takes" + takes(*found));
  }
  return call;
}

Result<std::map<std::string, json::value>> ask_workers(Broker& broker, const RemoteCall& call,
                                                       const RemoteOptions& options) {
  std::map<std::string, json::value> replies;
  auto request = call.request;
  request.destination = options.destination;
  if (!call.answered) {
    if (const auto sent = broker.broadcast(celery::encode_control_request(request)); !sent) {
      return sent.error();
    }
    return replies;
  }
  auto box = broker.reply_box();
  if (!box) return box.error();
  const auto address = (*box)->address();
  request.ticket = new_task_id().str();
  request.reply_to = celery::ControlReplyTo{address.exchange, address.routing_key};
  if (const auto sent = broker.broadcast(celery::encode_control_request(request)); !sent) {
    return sent.error();
  }
  const auto end = Steady::now() + options.timeout;
  const auto all = options.destination.size();
  while (all == 0 || replies.size() < all) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Steady::now());
    if (left.count() <= 0) break;
    const auto messages = (*box)->next(100, left, {});
    if (!messages) return messages.error();
    for (const auto& message : *messages) {
      auto reply = celery::decode_control_reply(message);
      if (!reply || reply->ticket != request.ticket) continue;
      replies.emplace(std::move(reply->node), std::move(reply->value));
    }
  }
  return replies;
}

std::string shown_replies(const std::map<std::string, json::value>& replies, bool brief,
                          bool as_json) {
  if (as_json) {
    json::object all;
    for (const auto& [node, value] : replies) all[node] = value;
    return celery::to_json(all) + "\n";
  }
  std::string text;
  for (const auto& [node, value] : replies) {
    const auto* const object = value.if_object();
    const auto* const ok = object == nullptr ? nullptr : object->if_contains("ok");
    const auto* const error = object == nullptr ? nullptr : object->if_contains("error");
    text += "->  " + node + ": " + (error != nullptr ? "ERROR" : "OK") + "\n";
    const auto& body = error != nullptr ? *error : ok != nullptr ? *ok : value;
    if (!brief && !body.is_null()) text += indented(body_of(body)) + "\n";
  }
  return text + "\n" + std::to_string(replies.size()) + (replies.size() == 1 ? " node" : " nodes") +
         " online.\n";
}

int run_remote(Broker& broker, const RemoteCall& call, const RemoteOptions& options,
               std::ostream& out, std::ostream& err) {
  const auto replies = ask_workers(broker, call, options);
  if (!replies) {
    err << "umbel: " << replies.error().what << '\n';
    return 1;
  }
  if (!call.answered) {
    out << call.request.method << " was sent; nobody answers that.\n";
    return 0;
  }
  if (replies->empty()) {
    err << "umbel: no worker answered within " << options.timeout.count() << " ms.\n";
    return kNobodyAnswered;
  }
  out << shown_replies(*replies, call.brief, options.json);
  return 0;
}

}  // namespace umbel
