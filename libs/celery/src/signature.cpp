#include "umbel/celery/signature.hpp"

#include <array>
#include <cmath>
#include <string>
#include <utility>

#include "field_reader.hpp"
#include "key_text.hpp"
#include "umbel/base/clock.hpp"
#include "umbel/base/text.hpp"
#include "umbel/celery/json.hpp"
#include "value_reader.hpp"

namespace umbel::celery {
namespace {

namespace json = boost::json;

constexpr std::size_t kMostPlaces = 200;  // bytes of a place that an error shows

Error fault(std::string_view place, const std::string& what) {
  return invalid(shortened(place, kMostPlaces) + " " + what);
}

json::string_view key_of(std::string_view name) { return {name.data(), name.size()}; }

const json::value* given(const json::object& object, std::string_view name) {
  const json::value* const value = object.if_contains(key_of(name));
  return value == nullptr || value->is_null() ? nullptr : value;
}

enum class Form { Id, Name, Queue, Number, Whole, Instant, Flag, Object, Names, List, One };

struct Option {
  std::string_view name;
  Form form;
};

// What Celery's apply_async knows; others are kept and mean nothing here.
constexpr std::array<Option, 27> kOptions{
    {{"task_id", Form::Id},         {"group_id", Form::Id},
     {"root_id", Form::Id},         {"parent_id", Form::Id},
     {"reply_to", Form::Id},        {"queue", Form::Queue},
     {"routing_key", Form::Name},   {"shadow", Form::Name},
     {"priority", Form::Whole},     {"group_index", Form::Whole},
     {"retries", Form::Whole},      {"countdown", Form::Number},
     {"time_limit", Form::Number},  {"soft_time_limit", Form::Number},
     {"eta", Form::Instant},        {"expires", Form::Instant},
     {"ignore_result", Form::Flag}, {"headers", Form::Object},
     {"stamps", Form::Object},      {"stamped_headers", Form::Names},
     {"link", Form::List},          {"link_error", Form::List},
     {"chain", Form::List},         {"chord", Form::One},
     {"serializer", Form::Name},    {"compression", Form::Name},
     {"exchange", Form::Queue}}};

Result<void> check_text(const json::value& value, std::string_view place, std::size_t most) {
  if (!value.is_string()) return fault(place, "is " + described(value) + " (allowed: a string)");
  return check_key(place, text_of(value.get_string()), most);
}

Result<void> check_instant(json::value& value, std::string_view place, bool seconds_too) {
  unwrap_typed_values(value);
  if (seconds_too && number_of(value) && std::isfinite(*number_of(value))) return {};
  if (value.is_string() && parse_iso8601(text_of(value.get_string()))) return {};
  return fault(place, "is " + described(value) + " (allowed: an ISO 8601 text" +
                          (seconds_too ? ", or seconds from now)" : ")"));
}

Result<void> check_list(json::value& value, std::string_view place) {
  auto signatures = read_signatures(value, place);
  if (!signatures) return signatures.error();
  json::array list;
  for (const auto& signature : *signatures) list.emplace_back(document_of(signature));
  value = std::move(list);
  return {};
}

Result<void> check_option(const Option& option, json::value& value, std::string_view place) {
  const auto refused = [&](const char* allowed) {
    return fault(place, "is " + described(value) + " (allowed: " + allowed + ")");
  };
  switch (option.form) {
    case Form::Id:
      return check_text(value, place, kMaxId);
    case Form::Name:
      return check_text(value, place, kMaxName);
    case Form::Queue:
      if (value.is_string()) return check_text(value, place, kMaxId);
      if (value.is_object()) return {};  // kombu's own description: its name counts, if it has one
      return refused("a string, or an object with a name");
    case Form::Number:
      if (const auto number = number_of(value); !number || !std::isfinite(*number)) {
        return refused("a number of seconds");
      }
      return {};
    case Form::Whole:
      if (!value.is_int64()) return refused("a whole number");
      return {};
    case Form::Instant:
      return check_instant(value, place, option.name == "expires");
    case Form::Flag:
      if (!value.is_bool()) return refused("true, false, null");
      return {};
    case Form::Object:
      if (!value.is_object()) return refused("an object");
      return {};
    case Form::Names: {
      const json::array* const names = value.if_array();
      if (names == nullptr) return refused("a list of strings");
      for (std::size_t i = 0; i < names->size(); ++i) {
        auto fits =
            check_text((*names)[i], std::string{place} + "[" + std::to_string(i) + "]", kMaxName);
        if (!fits) return fits;
      }
      return {};
    }
    case Form::List:
      return check_list(value, place);
    case Form::One: {
      auto one = read_signature(value, place);
      if (!one) return one.error();
      value = document_of(*one);
      return {};
    }
  }
  return {};
}

Result<void> read_options(const json::value& value, std::string_view place, Signature& to) {
  if (!value.is_object()) return fault(place, "is " + described(value) + " (allowed: an object)");
  for (const auto& member : value.get_object()) {
    if (!member.value().is_null()) to.options.emplace(member.key(), member.value());
  }
  for (const Option& option : kOptions) {
    json::value* const set = to.options.if_contains(key_of(option.name));
    if (set == nullptr) continue;
    const auto where = std::string{place} + "." + std::string{option.name};
    if (auto fits = check_option(option, *set, where); !fits) return fits;
  }
  return {};
}

Result<void> read_parts(const json::value& tasks, const std::string& place, Signature& to) {
  auto parts = read_signatures(tasks, place);
  if (!parts) return parts.error();
  to.parts = std::move(*parts);
  return {};
}

// A header is a group, or just its members.
Result<Signature> read_header(const json::value& header, const std::string& place) {
  if (header.is_object()) {
    auto read = read_signature(header, place);
    if (!read) return read.error();
    if (read->kind == Signature::Kind::Group) return read;
  }
  Signature group;
  group.kind = Signature::Kind::Group;
  group.task = "celery.group";
  if (auto read = read_parts(header, place, group); !read) return read.error();
  return group;
}

// Takes the parts of a composite out of its kwargs.
Result<void> read_composite(std::string_view place, Signature& to) {
  const std::string inside = std::string{place} + ".kwargs.";
  if (to.kind != Signature::Kind::Chord) {
    const json::value* const tasks = given(to.kwargs, "tasks");
    if (tasks == nullptr) return fault(place, "is a " + to.task + " without kwargs.tasks");
    if (auto read = read_parts(*tasks, inside + "tasks", to); !read) return read;
    to.kwargs.erase("tasks");
    return {};
  }
  const json::value* const header = given(to.kwargs, "header");
  const json::value* const body = given(to.kwargs, "body");
  if (header == nullptr) return fault(place, "is a chord without kwargs.header");
  if (body == nullptr) return fault(place, "is a chord without kwargs.body");
  auto group = read_header(*header, inside + "header");
  if (!group) return group.error();
  auto end = read_signature(*body, inside + "body");
  if (!end) return end.error();
  to.parts.push_back(std::move(*group));
  to.parts.push_back(std::move(*end));
  to.kwargs.erase("header");
  to.kwargs.erase("body");
  return {};
}

Signature::Kind kind_of(std::string_view type) {
  if (type == "chain") return Signature::Kind::Chain;
  if (type == "group") return Signature::Kind::Group;
  if (type == "chord") return Signature::Kind::Chord;
  return Signature::Kind::Task;
}

Result<void> read_member(std::string_view name, const json::value& value, std::string_view place,
                         Signature& to) {
  const auto where = std::string{place} + "." + std::string{name};
  const auto refused = [&](const char* allowed) {
    return fault(where, "is " + described(value) + " (allowed: " + allowed + ")");
  };
  if (name == "task") {
    if (auto fits = check_text(value, where, kMaxName); !fits) return fits;
    to.task = text_of(value.get_string());
  } else if (name == "args") {
    if (!value.is_array()) return refused("a list");
    to.args = value.get_array();
  } else if (name == "kwargs") {
    if (!value.is_object()) return refused("an object");
    to.kwargs = value.get_object();
  } else if (name == "options") {
    return read_options(value, where, to);
  } else if (name == "immutable") {
    if (!value.is_bool()) return refused("true, false");
    to.immutable = value.get_bool();
  } else if (name == "subtask_type") {
    if (!value.is_string()) return refused("null, or a string");
    to.kind = kind_of(text_of(value.get_string()));
    if (to.kind == Signature::Kind::Task) to.extra.emplace(key_of(name), value);
  } else {
    to.extra.emplace(key_of(name), value);
  }
  return {};
}

json::array documents_of(const std::vector<Signature>& signatures) {
  json::array list;
  list.reserve(signatures.size());
  for (const auto& signature : signatures) list.emplace_back(document_of(signature));
  return list;
}

}  // namespace

Result<Signature> read_signature(const json::value& document, std::string_view place) {
  const json::object* const object = document.if_object();
  if (object == nullptr) {
    return fault(place, "is " + described(document) + " (allowed: a signature)");
  }
  Signature read;
  for (const auto& member : *object) {
    if (member.value().is_null()) continue;
    if (auto fits = read_member(text_of(member.key()), member.value(), place, read); !fits) {
      return fits.error();
    }
  }
  if (read.task.empty()) return fault(place, "has no task name");
  if (read.kind != Signature::Kind::Task) {
    if (auto fits = read_composite(place, read); !fits) return fits.error();
  }
  return read;
}

Result<std::vector<Signature>> read_signatures(const json::value& documents,
                                               std::string_view place) {
  std::vector<Signature> read;
  if (documents.is_null()) return read;
  if (documents.is_object()) {
    auto one = read_signature(documents, place);
    if (!one) return one.error();
    read.push_back(std::move(*one));
    return read;
  }
  const json::array* const list = documents.if_array();
  if (list == nullptr) {
    return fault(place, "is " + described(documents) + " (allowed: null, or a list of signatures)");
  }
  read.reserve(list->size());
  for (std::size_t i = 0; i < list->size(); ++i) {
    auto one = read_signature((*list)[i], std::string{place} + "[" + std::to_string(i) + "]");
    if (!one) return one.error();
    read.push_back(std::move(*one));
  }
  return read;
}

json::object document_of(const Signature& signature) {
  json::object document;
  json::object kwargs = signature.kwargs;
  json::value type = nullptr;
  switch (signature.kind) {
    case Signature::Kind::Task:
      break;
    case Signature::Kind::Chain:
    case Signature::Kind::Group:
      type = signature.kind == Signature::Kind::Chain ? "chain" : "group";
      kwargs["tasks"] = documents_of(signature.parts);
      break;
    case Signature::Kind::Chord:
      type = "chord";
      kwargs["header"] = document_of(signature.parts.at(0));
      kwargs["body"] = document_of(signature.parts.at(1));
      break;
  }
  document["task"] = signature.task;
  document["args"] = signature.args;
  document["kwargs"] = std::move(kwargs);
  document["options"] = signature.options;
  document["subtask_type"] = std::move(type);
  document["immutable"] = signature.immutable;
  for (const auto& member : signature.extra) document[member.key()] = member.value();
  return document;
}

}  // namespace umbel::celery
