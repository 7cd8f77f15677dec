#include "arguments.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "umbel/base/text.hpp"
#include "umbel/celery/json.hpp"

namespace umbel::enqueue {
namespace {

std::string_view type_of(const boost::json::value& value) {
  switch (value.kind()) {
    case boost::json::kind::null:
      return "null";
    case boost::json::kind::bool_:
      return "boolean";
    case boost::json::kind::int64:
    case boost::json::kind::uint64:
      return "integer";
    case boost::json::kind::double_:
      return "number";
    case boost::json::kind::string:
      return "string";
    case boost::json::kind::array:
      return "array";
    case boost::json::kind::object:
      return "object";
  }
  return "unknown";
}

bool fits(const TaskParameter& parameter, const boost::json::value& value) {
  if (parameter.type == "any") return true;
  if (value.is_null() && !parameter.required && parameter.default_value == "null") return true;
  const auto type = type_of(value);
  return type == parameter.type || (parameter.type == "number" && type == "integer");
}

// `x (integer), y (number, default 1.5)`
std::string signature(const CatalogueEntry& entry) {
  if (entry.parameters.empty()) return "no arguments";
  std::vector<std::string> parts;
  for (const auto& parameter : entry.parameters) {
    parts.push_back(parameter.required ? fmt::format("{} ({})", parameter.name, parameter.type)
                                       : fmt::format("{} ({}, default {})", parameter.name,
                                                     parameter.type, parameter.default_value));
  }
  return fmt::format("{}", fmt::join(parts, ", "));
}

Error refused(const CatalogueEntry& entry, const std::string& why) {
  return invalid(fmt::format("task `{}`: {}; it takes {}", entry.name, why, signature(entry)));
}

Error unknown_argument(const CatalogueEntry& entry, std::string_view name) {
  std::vector<std::string> names;
  for (const auto& parameter : entry.parameters) names.push_back(parameter.name);
  const auto meant = nearest(name, names);
  return refused(entry, fmt::format("unknown argument `{}`{}", shortened(name, 100),
                                    meant ? fmt::format(" (did you mean `{}`?)", *meant) : ""));
}

Result<boost::json::value> read(const std::string& task, const char* which,
                                const std::string& text) {
  auto value = celery::parse_json(text);
  if (!value) {
    return invalid(fmt::format("task `{}`: {} is not JSON: {}", task, which, value.error().what));
  }
  return value;
}

}  // namespace

Result<Arguments> read_arguments(const std::string& task, const std::string& args,
                                 const std::string& kwargs) {
  auto by_position = read(task, "args", args);
  if (!by_position) return by_position.error();
  if (!by_position->is_array()) {
    return invalid(
        fmt::format("task `{}`: args must be a JSON array, got {}", task, type_of(*by_position)));
  }
  auto by_name = read(task, "kwargs", kwargs);
  if (!by_name) return by_name.error();
  if (!by_name->is_object()) {
    return invalid(
        fmt::format("task `{}`: kwargs must be a JSON object, got {}", task, type_of(*by_name)));
  }
  return Arguments{std::move(by_position->get_array()), std::move(by_name->get_object())};
}

Result<void> check_arguments(const CatalogueEntry& entry, const Arguments& given) {
  const auto& parameters = entry.parameters;
  if (given.args.size() > parameters.size()) {
    return refused(entry, fmt::format("{} arguments by position where at most {} fit",
                                      given.args.size(), parameters.size()));
  }
  for (const auto& argument : given.kwargs) {
    const std::string_view name{argument.key().data(), argument.key().size()};
    if (std::ranges::find(parameters, name, &TaskParameter::name) == parameters.end()) {
      return unknown_argument(entry, name);
    }
  }
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const auto& parameter = parameters[i];
    const auto* by_position = i < given.args.size() ? &given.args[i] : nullptr;
    const auto* by_name = given.kwargs.if_contains(parameter.name);
    if (by_position != nullptr && by_name != nullptr) {
      return refused(entry, fmt::format("argument `{}` is given twice, by position and by name",
                                        parameter.name));
    }
    const auto* value = by_position != nullptr ? by_position : by_name;
    if (value == nullptr) {
      if (!parameter.required) continue;
      return refused(entry, fmt::format("argument `{}` is missing", parameter.name));
    }
    if (!fits(parameter, *value)) {
      return refused(entry, fmt::format("argument `{}` must be of type {}, got {}", parameter.name,
                                        parameter.type, type_of(*value)));
    }
  }
  return {};
}

}  // namespace umbel::enqueue
