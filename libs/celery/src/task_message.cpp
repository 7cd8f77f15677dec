#include "umbel/celery/task_message.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "compression.hpp"
#include "envelope.hpp"
#include "field_reader.hpp"
#include "key_text.hpp"
#include "umbel/base/text.hpp"
#include "umbel/celery/json.hpp"
#include "umbel/celery/repr.hpp"
#include "utf8.hpp"
#include "value_reader.hpp"

namespace umbel::celery {
namespace {

namespace json = boost::json;

constexpr std::array<std::string_view, 4> kEmbedKeys{"callbacks", "errbacks", "chain", "chord"};

// Headers that TaskMessage has a member for, or that mean nothing when read back: never in
// extra_headers.
constexpr std::array<std::string_view, 15> kOwnHeaders{
    "task",     "id",         "shadow",    "eta",           "expires",
    "group",    "retries",    "timelimit", "root_id",       "parent_id",
    "argsrepr", "kwargsrepr", "origin",    "ignore_result", "compression"};

bool is_own_header(std::string_view name) {
  return std::find(kOwnHeaders.begin(), kOwnHeaders.end(), name) != kOwnHeaders.end();
}

// Headers of Celery without a member of their own, with what they are when nobody set them.
json::object default_headers() {
  return {{"lang", "py"},
          {"group_index", nullptr},
          {"replaced_task_nesting", 0},
          {"stamped_headers", nullptr},
          {"stamps", json::object{}}};
}

// The body as it was before a Python sender compressed it; nothing if it did not.
Result<std::optional<std::string>> plain_body(const json::object& headers,
                                              const std::string& body) {
  using Plain = std::optional<std::string>;
  const json::value* const compression = headers.if_contains("compression");
  if (compression == nullptr || compression->is_null()) return Plain{};
  if (compression->is_string() && text_of(compression->get_string()) == kZlib) {
    auto plain = inflated(body, kMaxBody);
    if (!plain) return plain.error();
    return Plain{std::move(*plain)};
  }
  const std::string name = compression->is_string()
                               ? shortened(text_of(compression->get_string()), 100)
                               : described(*compression);
  return invalid("the body is compressed with " + name +
                 ", which is not read (allowed: no compression, or application/x-gzip)");
}

// `[hard, soft]`, each null or seconds; 0 is none, as in Celery.
Result<void> read_limits(const json::object& headers, TaskMessage& task) {
  const json::value* const value = headers.if_contains("timelimit");
  if (value == nullptr || value->is_null()) return {};
  const json::array* const limits = value->if_array();
  if (limits == nullptr || limits->size() != 2) {
    const std::string got = limits == nullptr
                                ? described(*value)
                                : "a list of " + std::to_string(limits->size()) + " elements";
    return invalid("timelimit is " + got + " (allowed: null, or [hard, soft])");
  }
  for (const bool hard : {true, false}) {
    const json::value& element = (*limits)[hard ? 0 : 1];
    if (element.is_null()) continue;
    const auto seconds = number_of(element);
    if (!seconds || !std::isfinite(*seconds) || *seconds < 0) {
      return invalid("timelimit holds " + described(element) +
                     " (allowed: null, or seconds from 0)");
    }
    if (*seconds > 0) (hard ? task.time_limit : task.soft_time_limit) = *seconds;
  }
  return {};
}

Result<void> read_id(const json::object& headers, TaskMessage& task) {
  const json::value* const id = headers.if_contains("id");
  if (id == nullptr || id->is_null()) return invalid("the message has no task id (header 'id')");
  if (!id->is_string()) {
    return invalid("the task id is " + described(*id) + " (allowed: a string)");
  }
  const auto text = text_of(id->get_string());
  if (auto usable = check_key("the task id", text, kMaxId); !usable) return usable;
  task.id = TaskId{std::string{text}};
  return {};
}

Result<void> read_name(const json::object& headers, TaskMessage& task) {
  const json::value& name = headers.at("task");
  if (!name.is_string()) {
    return invalid("the task's name is " + described(name) + " (allowed: a string)");
  }
  task.task = text_of(name.get_string());
  return check_key("the task's name", task.task, kMaxName);
}

Result<void> read_instant(const json::object& headers, const char* name,
                          std::optional<WallTime>& out) {
  const json::value* const value = headers.if_contains(name);
  if (value == nullptr || value->is_null()) return {};
  if (!value->is_string()) {
    return invalid(std::string{name} + " is " + described(*value) +
                   " (allowed: null, or an ISO 8601 text)");
  }
  const auto text = text_of(value->get_string());
  out = parse_iso8601(text);
  if (!out) {
    return invalid(std::string{name} + " is '" + shortened(text, 100) +
                   "', which is no ISO 8601 time");
  }
  return {};
}

Result<void> read_text(const json::object& headers, const char* name, std::size_t most,
                       std::string& out) {
  const json::value* const value = headers.if_contains(name);
  if (value == nullptr || value->is_null()) return {};
  if (!value->is_string()) {
    return invalid(std::string{name} + " is " + described(*value) +
                   " (allowed: null, or a string)");
  }
  out = text_of(value->get_string());
  return out.empty() ? Result<void>{} : check_key(name, out, most);
}

// What is only shown may be long and hold anything.
Result<void> read_shown(const json::object& headers, const char* name, std::string& out) {
  const json::value* const value = headers.if_contains(name);
  if (value == nullptr || value->is_null()) return {};
  if (!value->is_string()) {
    return invalid(std::string{name} + " is " + described(*value) +
                   " (allowed: null, or a string)");
  }
  out = shortened(text_of(value->get_string()), kReprLimit);
  return {};
}

Result<void> read_retries(const json::object& headers, TaskMessage& task) {
  const json::value* const value = headers.if_contains("retries");
  if (value == nullptr || value->is_null()) return {};
  if (!value->is_int64() || value->get_int64() < 0) {
    return invalid("retries is " + described(*value) + " (allowed: a whole number from 0)");
  }
  task.retries = value->get_int64();
  return {};
}

Result<void> read_ignore_result(const json::object& headers, TaskMessage& task) {
  const json::value* const value = headers.if_contains("ignore_result");
  if (value == nullptr || value->is_null()) return {};
  if (!value->is_bool()) {
    return invalid("ignore_result is " + described(*value) + " (allowed: true, false, null)");
  }
  task.ignore_result = value->get_bool();
  return {};
}

Result<void> read_headers(const json::object& headers, TaskMessage& task) {
  struct TextHeader {
    const char* name;
    std::size_t most;
    std::string& out;
  };
  for (const auto& [name, most, out] :
       {TextHeader{"root_id", kMaxId, task.root_id},
        TextHeader{"parent_id", kMaxId, task.parent_id}, TextHeader{"group", kMaxId, task.group},
        TextHeader{"origin", kMaxName, task.origin}, TextHeader{"shadow", kMaxName, task.shadow}}) {
    if (auto read = read_text(headers, name, most, out); !read) return read.error();
  }
  if (auto read = read_shown(headers, "argsrepr", task.argsrepr); !read) return read;
  if (auto read = read_shown(headers, "kwargsrepr", task.kwargsrepr); !read) return read;
  if (auto read = read_name(headers, task); !read) return read;
  if (auto read = read_id(headers, task); !read) return read;
  if (auto read = read_retries(headers, task); !read) return read;
  if (auto read = read_instant(headers, "eta", task.eta); !read) return read;
  if (auto read = read_instant(headers, "expires", task.expires); !read) return read;
  if (auto read = read_limits(headers, task); !read) return read;
  return read_ignore_result(headers, task);
}

void keep_extra_headers(json::object& headers, TaskMessage& task) {
  static const json::object defaults = default_headers();
  for (auto& member : headers) {
    if (is_own_header(text_of(member.key()))) continue;
    const json::value* const usual = defaults.if_contains(member.key());
    if (usual != nullptr && (*usual == member.value() || member.value().is_null())) continue;
    task.extra_headers.emplace(member.key(), std::move(member.value()));
  }
}

Result<void> read_arguments(json::value& args, json::value& kwargs, TaskMessage& task) {
  if (!args.is_array()) {
    return invalid("the positional arguments are " + described(args) + " (allowed: a list)");
  }
  if (!kwargs.is_object()) {
    return invalid("the keyword arguments are " + described(kwargs) + " (allowed: an object)");
  }
  for (json::value& element : args.get_array()) unwrap_typed_values(element);
  for (auto& member : kwargs.get_object()) unwrap_typed_values(member.value());
  task.args = std::move(args.get_array());
  task.kwargs = std::move(kwargs.get_object());
  return {};
}

bool is_signature(const json::value& value) {
  const json::object* const object = value.if_object();
  const json::value* const name = object != nullptr ? object->if_contains("task") : nullptr;
  return name != nullptr && name->is_string();
}

// What comes after a task: one signature (chord), or a list of them.
Result<void> check_continuation(std::string_view key, const json::value& value) {
  const bool one = key == "chord";
  const json::array* const list = value.if_array();
  const bool fits = one ? is_signature(value)
                        : list != nullptr && std::all_of(list->begin(), list->end(), is_signature);
  if (fits) return {};
  return invalid(
      std::string{key} + " is " + described(value) +
      (one ? " (allowed: null, or a signature)" : " (allowed: null, or a list of signatures)"));
}

Result<void> read_embed(json::value& embed, TaskMessage& task) {
  if (embed.is_null()) return {};
  if (!embed.is_object()) {
    return invalid("the third element of the body is " + described(embed) +
                   " (allowed: an object or null)");
  }
  for (auto& member : embed.get_object()) {
    if (member.value().is_null()) continue;
    const auto key = text_of(member.key());
    if (std::find(kEmbedKeys.begin(), kEmbedKeys.end(), key) != kEmbedKeys.end()) {
      if (auto fits = check_continuation(key, member.value()); !fits) return fits;
    }
    task.embed.emplace(member.key(), std::move(member.value()));
  }
  return {};
}

// Version 2: everything about the task is in the headers, the body is [args, kwargs, embed].
Result<void> read_version_2(json::object& headers, json::value& body, TaskMessage& task) {
  if (auto read = read_headers(headers, task); !read) return read;
  json::array* const parts = body.if_array();
  if (parts == nullptr || parts->size() != 3) {
    const std::string got = parts == nullptr
                                ? described(body)
                                : "a list of " + std::to_string(parts->size()) + " elements";
    return invalid("the body is " + got + " (allowed: [args, kwargs, embed])");
  }
  if (auto read = read_arguments((*parts)[0], (*parts)[1], task); !read) return read;
  if (auto read = read_embed((*parts)[2], task); !read) return read;
  keep_extra_headers(headers, task);
  return {};
}

// Version 1, and the mixture of both: the body is an object that says everything; headers, if any,
// say it louder.
Result<void> read_version_1(json::object& headers, json::object& body, TaskMessage& task) {
  json::value args = json::array{};
  json::value kwargs = json::object{};
  if (json::value* const given = body.if_contains("args")) args = std::move(*given);
  if (json::value* const given = body.if_contains("kwargs")) kwargs = std::move(*given);
  json::object embed;
  for (const std::string_view key : {"callbacks", "errbacks", "chord"}) {
    if (json::value* const given = body.if_contains({key.data(), key.size()})) {
      embed.emplace(json::string_view{key.data(), key.size()}, std::move(*given));
    }
  }
  json::object fields;
  for (const std::string_view name : kOwnHeaders) {
    const json::string_view key{name.data(), name.size()};
    if (json::value* const given = body.if_contains(key)) fields[key] = std::move(*given);
  }
  if (json::value* const index = body.if_contains("group_index")) {
    fields["group_index"] = std::move(*index);
  }
  const json::value* const taskset = body.if_contains("taskset");
  if (taskset != nullptr && (!fields.contains("group") || fields["group"].is_null())) {
    fields["group"] = *taskset;
  }
  for (auto& member : headers) fields[member.key()] = std::move(member.value());
  if (!fields.contains("task")) {
    return invalid("no task message: neither the headers nor the body name a task");
  }
  if (auto read = read_headers(fields, task); !read) return read;
  if (auto read = read_arguments(args, kwargs, task); !read) return read;
  json::value embedded = std::move(embed);
  if (auto read = read_embed(embedded, task); !read) return read;
  keep_extra_headers(fields, task);
  return {};
}

json::value text_or_null(const std::string& text) {
  return text.empty() ? json::value(nullptr) : json::value(text);
}

json::value instant_or_null(const std::optional<WallTime>& time) {
  return time ? json::value(iso8601(*time)) : json::value(nullptr);
}

// Whole seconds as an integer, as Python senders have them.
json::value limit_or_null(const std::optional<double>& limit) {
  if (!limit || !std::isfinite(*limit)) return nullptr;
  if (*limit == std::floor(*limit) && std::abs(*limit) < 1e9) {
    return static_cast<std::int64_t>(*limit);
  }
  return *limit;
}

json::object headers_of(const TaskMessage& task) {
  json::object headers;
  headers.reserve(20 + task.extra_headers.size());
  headers["lang"] = "py";
  headers["task"] = task.task;
  headers["id"] = task.id.str();
  headers["shadow"] = text_or_null(task.shadow);
  headers["eta"] = instant_or_null(task.eta);
  headers["expires"] = instant_or_null(task.expires);
  headers["group"] = text_or_null(task.group);
  headers["group_index"] = nullptr;
  headers["retries"] = task.retries;
  headers["timelimit"] =
      json::array{limit_or_null(task.time_limit), limit_or_null(task.soft_time_limit)};
  headers["root_id"] = text_or_null(task.root_id);
  headers["parent_id"] = text_or_null(task.parent_id);
  headers["argsrepr"] = task.argsrepr.empty() ? repr_args(task.args) : task.argsrepr;
  headers["kwargsrepr"] = task.kwargsrepr.empty() ? repr_kwargs(task.kwargs) : task.kwargsrepr;
  headers["origin"] = text_or_null(task.origin);
  headers["ignore_result"] = task.ignore_result;
  headers["replaced_task_nesting"] = 0;
  headers["stamped_headers"] = nullptr;
  headers["stamps"] = json::object{};
  for (const auto& member : task.extra_headers) {
    if (!is_own_header(text_of(member.key()))) headers[member.key()] = member.value();
  }
  return headers;
}

json::array body_of(const TaskMessage& task) {
  json::object embed;
  for (const std::string_view key : kEmbedKeys) {
    embed.emplace(json::string_view{key.data(), key.size()}, nullptr);
  }
  for (const auto& member : task.embed) embed[member.key()] = member.value();
  return {task.args, task.kwargs, std::move(embed)};
}

std::optional<TaskId> usable_id(std::string_view text) {
  if (!check_key("the task id", text, kMaxId)) return std::nullopt;
  return TaskId{std::string{text}};
}

}  // namespace

Result<TaskMessage> decode_task(const Message& message) {
  if (auto allowed = check_content_type(message); !allowed) return allowed.error();
  if (auto size = check_size("body", message.body.size()); !size) return size.error();
  auto headers = parse_headers(message);
  if (!headers) return headers.error();
  const auto plain = plain_body(*headers, message.body);
  if (!plain) return plain.error();
  auto body = parse_plain_json(*plain ? **plain : message.body);
  if (!body) return invalid("the body is " + body.error().what);

  TaskMessage task;
  task.reply_to = message.reply_to;
  task.priority = message.priority;
  json::object* const object = body->if_object();
  if (object == nullptr && !headers->contains("task")) {
    return invalid("no task message: no header 'task', and the body is " + described(*body));
  }
  auto read = object != nullptr ? read_version_1(*headers, *object, task)
                                : read_version_2(*headers, *body, task);
  if (!read) return read.error();
  return task;
}

Message encode_task(const TaskMessage& task) {
  Message message;
  message.content_type = kJsonType;
  message.content_encoding = "utf-8";
  message.headers = to_json(headers_of(task));
  message.body = to_python_json(body_of(task));
  message.correlation_id = task.id.str();
  message.reply_to = task.reply_to;
  message.priority = task.priority;
  message.expires = task.expires;
  return message;
}

std::optional<TaskId> id_of(const Message& message) {
  if (message.headers.size() <= kMaxBody) {
    if (const auto headers = parse_plain_json(message.headers); headers && headers->is_object()) {
      const json::value* const id = headers->get_object().if_contains("id");
      if (id != nullptr && id->is_string()) {
        if (auto usable = usable_id(text_of(id->get_string()))) return usable;
      }
    }
  }
  return usable_id(message.correlation_id);
}

}  // namespace umbel::celery
